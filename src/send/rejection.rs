//! Our own no to a send, as a value: which rule, the numbers, when to try again. The HTTP side of
//! it is in `reply`.

use std::fmt::Display;

use crate::amount::Amount;
use crate::ledger::batcher::CallFault;
use crate::ledger::{LedgerFault, Rejection, StopReason};

/// A rejected send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Contract name; `reply` knows its status.
    pub name: &'static str,
    /// One sentence with the numbers, for the caller.
    pub details: String,
    /// The price, where money was short.
    pub needed: Option<Amount>,
    /// What was available, where money was short.
    pub available: Option<Amount>,
    /// Seconds after which the same send may pass.
    pub retry_after_s: Option<i64>,
}

impl Rejected {
    /// A rejection without numbers.
    pub fn new(name: &'static str, details: impl Display) -> Rejected {
        Rejected {
            name,
            details: details.to_string(),
            needed: None,
            available: None,
            retry_after_s: None,
        }
    }

    /// With a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Rejected {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// No call: the key opens nothing.
    pub fn unauthorized(details: impl Display) -> Rejected {
        Rejected::new("unauthorized", details)
    }

    /// The ledger broke, is away or is full. Nothing was reserved that stays.
    pub fn ledger(fault: &CallFault) -> Rejected {
        match fault {
            CallFault::Overloaded => Rejected::new(
                "overloaded",
                "too many sends of this account wait for a decision; nothing was reserved",
            )
            .retry_after(1),
            CallFault::Ledger(fault) => Rejected::ledger_fault(fault),
        }
    }

    /// The ledger broke or is away.
    pub fn ledger_fault(fault: &LedgerFault) -> Rejected {
        tracing::debug!(%fault, "a send was refused because of the ledger");
        Rejected::new(
            "ledger_unavailable",
            "the ledger cannot decide now; nothing was forwarded or charged",
        )
        .retry_after(1)
    }

    /// What the ledger's rules said, in words.
    pub fn by_ledger(rejection: &Rejection, currency: &str) -> Rejected {
        let name = rejection.name();
        match rejection {
            Rejection::CampaignStopped { reason, .. } => Rejected::new(name, stop_sentence(*reason)),
            Rejection::CampaignUnknown => Rejected::new(
                name,
                "no campaign of that id runs on this channel's wallet; create it, or name one that this wallet pays",
            ),
            Rejection::IdempotencyConflict => Rejected::new(name, "this Idempotency-Key was used with another body; a new message needs a new key"),
            Rejection::IdempotencyInFlight => Rejected::new(name, "the first send with this Idempotency-Key is still on its way; ask again for its answer").retry_after(1),
            Rejection::OutcomeUnknown { hold } => Rejected::new(
                name,
                format!("the same message was forwarded before and its outcome is unknown (hold {hold}); do not send it again until that is resolved"),
            ),
            Rejection::AlreadySent => Rejected::new(name, "this campaign has sent to this recipient and sends to each one once"),
            Rejection::FrequencyCapped { max, window_s, retry_after_s } => Rejected::new(
                name,
                format!("this recipient had {max} such messages in the last {window_s} s, which is the cap; skip it, or try again in {retry_after_s} s"),
            )
            .retry_after(*retry_after_s),
            Rejection::MessagingLimitReached { limit, used, retry_after_s } => {
                let rejected = Rejected::new(name, format!("{used} unique recipients hold the {limit} places of the last 24 hours"));
                match retry_after_s {
                    Some(seconds) => rejected.retry_after(*seconds),
                    None => rejected.retry_after(1),
                }
            }
            Rejection::InsufficientBalance { needed, available } => Rejected {
                needed: Some(*needed),
                available: Some(*available),
                ..Rejected::new(name, format!("this message costs {needed} {currency} and {available} {currency} is available"))
            },
        }
    }
}

fn stop_sentence(reason: StopReason) -> &'static str {
    match reason {
        StopReason::CreditsExhausted => {
            "the campaign stopped when its wallet ran out of credits; top up, then restart it"
        }
        StopReason::BudgetSpent => "the campaign stopped because its budget is spent",
        StopReason::Operator => "a person stopped the campaign; restart it to go on",
        StopReason::QualityRed => "the campaign stopped because Meta rates the number RED",
        StopReason::UpstreamPaymentProblem => {
            "the campaign stopped because Meta reports a payment problem of the provider"
        }
        StopReason::ErrorRate => "the campaign stopped because too many of its sends failed",
        StopReason::Finished => "the campaign is finished",
    }
}
