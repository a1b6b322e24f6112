//! Our own no to a send, as a value: which rule, the numbers, when to try again. Its
//! reply is made in `reply`.

use std::fmt::Display;

use crate::amount::Amount;
use crate::ids::CampaignId;
use crate::ledger::batcher::CallFault;
use crate::ledger::{LedgerFault, Rejection, StopReason};
use crate::rejection::RejectionKind;

/// A rejected send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which rule; it has the name and the status.
    pub kind: RejectionKind,
    /// One sentence with the numbers, for the caller.
    pub details: String,
    /// The price, if money was short.
    pub needed: Option<Amount>,
    /// What was available, if money was short.
    pub available: Option<Amount>,
    /// The campaign that is stopped.
    pub campaign: Option<CampaignId>,
    /// What its restart lacks.
    pub shortfall: Option<Amount>,
    /// Seconds after which the same send may pass.
    pub retry_after_s: Option<i64>,
    /// The ledger knows of it: its campaign's counts have it, or will by the send's hold.
    pub in_ledger: bool,
}

impl Rejected {
    /// A rejection without numbers.
    pub fn new(kind: RejectionKind, details: impl Display) -> Rejected {
        Rejected {
            kind,
            details: details.to_string(),
            needed: None,
            available: None,
            campaign: None,
            shortfall: None,
            retry_after_s: None,
            in_ledger: false,
        }
    }

    /// With a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Rejected {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// The ledger made it, or keeps the send's hold.
    #[must_use]
    pub const fn in_ledger(mut self) -> Rejected {
        self.in_ledger = true;
        self
    }

    /// The key is missing, unknown or not enough.
    pub fn unauthorized(details: impl Display) -> Rejected {
        Rejected::new(RejectionKind::Unauthorized, details)
    }

    /// The ledger broke, is unavailable or is full. Nothing was reserved that stays.
    pub fn ledger(fault: &CallFault) -> Rejected {
        match fault {
            CallFault::Overloaded => Rejected::new(
                RejectionKind::Overloaded,
                "too many sends of this account wait for a decision; nothing was reserved",
            )
            .retry_after(1),
            CallFault::Ledger(fault) => Rejected::ledger_fault(fault),
            CallFault::Late(fault) => Rejected::ledger_fault(fault).in_ledger(),
        }
    }

    /// The ledger broke or is unavailable.
    pub fn ledger_fault(fault: &LedgerFault) -> Rejected {
        tracing::debug!(%fault, "a send was refused because of the ledger");
        Rejected::new(
            RejectionKind::LedgerUnavailable,
            "the ledger cannot decide now; nothing was forwarded or charged",
        )
        .retry_after(1)
    }

    /// The account's settings changed in each of several tries.
    pub fn settings_keep_changing() -> Rejected {
        let details = "the account's settings keep changing";
        Rejected::new(RejectionKind::LedgerUnavailable, details).retry_after(1)
    }

    /// No connection to upstream; `what` states what became of the send.
    pub fn unreachable(reason: &str, what: &str) -> Rejected {
        let details = format!("upstream could not be reached ({reason}); {what}");
        Rejected::new(RejectionKind::UpstreamUnreachable, details).retry_after(1)
    }

    /// Upstream was asked for something free and did not reply.
    pub fn no_answer(reason: &str) -> Rejected {
        let details = format!("upstream did not answer ({reason})");
        Rejected::new(RejectionKind::UpstreamNoAnswer, details)
    }

    /// What the ledger's rules decided about a send of `campaign`, as a sentence with the numbers.
    pub fn by_ledger(
        rejection: &Rejection,
        campaign: Option<&CampaignId>,
        currency: &str,
    ) -> Rejected {
        let new = |details: String| Rejected::new(rejection.kind(), details);
        match rejection {
            Rejection::CampaignStopped { reason, shortfall, .. } => Rejected {
                campaign: campaign.cloned(),
                shortfall: *shortfall,
                ..new(stop_sentence(*reason, campaign, *shortfall, currency))
            },
            Rejection::CampaignUnknown => {
                new("no campaign of that id runs on this channel's wallet; \
                 create it, or name one that this wallet pays"
                    .to_owned())
            }
            Rejection::IdempotencyConflict => new(
                "this Idempotency-Key was used with another body; a new message needs a new key"
                    .to_owned(),
            ),
            Rejection::IdempotencyInFlight => {
                new("the first send with this Idempotency-Key is still on its way; \
                 ask again for its answer"
                    .to_owned())
                .retry_after(1)
            }
            Rejection::OutcomeUnknown { hold } => new(format!(
                "the same message was forwarded before and its outcome is unknown (hold {hold}); \
                 do not send it again until that is resolved"
            )),
            Rejection::AlreadySent => {
                new("this campaign has sent to this recipient and sends to each one once"
                    .to_owned())
            }
            Rejection::FrequencyCapped { max, window_s, retry_after_s } => new(format!(
                "this recipient had {max} such messages in the last {window_s} s, which is the \
                 cap; skip it, or try again in {retry_after_s} s"
            ))
            .retry_after(*retry_after_s),
            Rejection::MessagingLimitReached { limit, used, retry_after_s } => {
                new(format!("{used} unique recipients hold the {limit} slots of the last 24 hours"))
                    .retry_after(retry_after_s.unwrap_or(1))
            }
            Rejection::InsufficientBalance { needed, available, ran_out_at } => {
                let why = ran_out_at.map(|price| {
                    format!(
                        "; the wallet ran out of credits at a message of {price} {currency}, and \
                         until it is topped up no new campaign begins"
                    )
                });
                let details = format!(
                    "this message costs {needed} {currency} and {available} {currency} is \
                     available{}",
                    why.unwrap_or_default()
                );
                Rejected { needed: Some(*needed), available: Some(*available), ..new(details) }
            }
        }
    }
}

/// Why a campaign does not run; a remembered refusal is about the campaign, not about this message.
fn stop_sentence(
    reason: StopReason,
    campaign: Option<&CampaignId>,
    shortfall: Option<Amount>,
    currency: &str,
) -> String {
    let named = campaign.map(|id| format!("campaign {id}"));
    let named = named.as_deref().unwrap_or("the campaign");
    let why = match reason {
        StopReason::CreditsExhausted => {
            let then = match shortfall.filter(|missing| missing.is_positive()) {
                Some(missing) => {
                    format!("{missing} {currency} is missing; top up, then restart it")
                }
                None => "restart it to go on".to_owned(),
            };
            return format!("{named} stopped when its wallet ran out of credits; {then}");
        }
        StopReason::BudgetSpent => "stopped because its budget is spent",
        StopReason::Operator => "was stopped by a person; restart it to go on",
        StopReason::QualityRed => "stopped because Meta rates the number RED",
        StopReason::UpstreamPaymentProblem => {
            "stopped because Meta reports a payment problem of the provider"
        }
        StopReason::ErrorRate => "stopped because too many of its sends failed",
        StopReason::Finished => "is finished",
    };
    format!("{named} {why}")
}
