//! Why the ledger rejects a send, with the numbers a person needs.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::ids::HoldId;
use crate::rejection::RejectionKind;

/// Why the ledger refuses a send, with the numbers a person needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The campaign does not run.
    CampaignStopped {
        /// Why it does not run.
        reason: StopReason,
        /// Since when, Unix milliseconds.
        since_ms: i64,
        /// What a restart lacks, if the wallet ran out of credits: the price at which it did, less
        /// what is available; zero once there is enough.
        shortfall: Option<Amount>,
    },
    /// The campaign does not exist, or pays from another wallet.
    CampaignUnknown,
    /// The key was used with another body.
    IdempotencyConflict,
    /// The key's first send is still on its way.
    IdempotencyInFlight,
    /// A send with this key or body has an unknown outcome.
    OutcomeUnknown {
        /// Whose outcome is unknown.
        hold: HoldId,
    },
    /// The campaign has sent to this recipient.
    AlreadySent,
    /// The recipient had enough messages.
    FrequencyCapped {
        /// The rule's maximum.
        max: u32,
        /// The rule's window in seconds.
        window_s: u32,
        /// Seconds until a further message is possible.
        retry_after_s: i64,
    },
    /// The portfolio has no slot left for another unique recipient.
    MessagingLimitReached {
        /// Unique recipients allowed in 24 hours.
        limit: u32,
        /// Unique recipients that hold a slot now.
        used: u32,
        /// Seconds until a slot frees at the latest known minute; `None` while all slots are held
        /// by open sends.
        retry_after_s: Option<i64>,
    },
    /// Not enough credits.
    InsufficientBalance {
        /// What the message costs.
        needed: Amount,
        /// What the wallet has available.
        available: Amount,
        /// The price at which the wallet ran out, if it is for that alone that the message is
        /// refused: its campaign would be new, and new ones wait for credits.
        ran_out_at: Option<Amount>,
    },
}

impl Rejection {
    /// The rule, which has the contract name that engines switch on.
    pub const fn kind(&self) -> RejectionKind {
        match self {
            Rejection::CampaignStopped { .. } => RejectionKind::CampaignStopped,
            Rejection::CampaignUnknown => RejectionKind::CampaignUnknown,
            Rejection::IdempotencyConflict => RejectionKind::IdempotencyConflict,
            Rejection::IdempotencyInFlight => RejectionKind::IdempotencyInFlight,
            Rejection::OutcomeUnknown { .. } => RejectionKind::OutcomeUnknown,
            Rejection::AlreadySent => RejectionKind::AlreadySent,
            Rejection::FrequencyCapped { .. } => RejectionKind::FrequencyCapped,
            Rejection::MessagingLimitReached { .. } => RejectionKind::MessagingLimitReached,
            Rejection::InsufficientBalance { .. } => RejectionKind::InsufficientBalance,
        }
    }

    /// The contract name.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}

/// Why a campaign does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A send was refused for money.
    CreditsExhausted,
    /// Its own budget is spent.
    BudgetSpent,
    /// A person stopped it.
    Operator,
    /// Meta rates the number RED.
    QualityRed,
    /// Meta could not collect from the provider (131042).
    UpstreamPaymentProblem,
    /// Too many sends fail.
    ErrorRate,
    /// A person finished it for good.
    Finished,
}

impl StopReason {
    /// All reasons, for reading stored names.
    pub const ALL: [StopReason; 7] = [
        StopReason::CreditsExhausted,
        StopReason::BudgetSpent,
        StopReason::Operator,
        StopReason::QualityRed,
        StopReason::UpstreamPaymentProblem,
        StopReason::ErrorRate,
        StopReason::Finished,
    ];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            StopReason::CreditsExhausted => "credits_exhausted",
            StopReason::BudgetSpent => "budget_spent",
            StopReason::Operator => "operator",
            StopReason::QualityRed => "quality_red",
            StopReason::UpstreamPaymentProblem => "upstream_payment_problem",
            StopReason::ErrorRate => "error_rate",
            StopReason::Finished => "finished",
        }
    }
}
