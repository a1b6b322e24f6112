//! Why a business operation was not done. It changed nothing, unless its detail states otherwise.

use std::fmt;

use crate::amount::Amount;
use crate::ledger::LedgerFault;
use crate::ledger::Verdict;
use crate::ledger::batcher::CallFault;

/// What the present state forbids; each has a code that programs switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// An object of that id has other content.
    Exists,
    /// A campaign of that id has other content.
    CampaignExists,
    /// The campaign is finished for good.
    CampaignFinished,
    /// The name belongs to another account.
    Claimed,
    /// The reference was used for something else.
    ReferenceConflict,
    /// New campaigns of the wallet wait for credits.
    WalletExhausted,
    /// The send of the hold is still on its way.
    HoldOpen,
    /// The rate card version may already price messages.
    VersionInForce,
    /// The gateway is not configured for this.
    NotConfigured,
    /// Others change the same settings again and again.
    Contended,
}

impl Conflict {
    /// The contract name.
    pub const fn code(self) -> &'static str {
        match self {
            Conflict::Exists => "exists",
            Conflict::CampaignExists => "campaign_exists",
            Conflict::CampaignFinished => "campaign_finished",
            Conflict::Claimed => "claimed",
            Conflict::ReferenceConflict => "reference_conflict",
            Conflict::WalletExhausted => "wallet_exhausted",
            Conflict::HoldOpen => "hold_open",
            Conflict::VersionInForce => "version_in_force",
            Conflict::NotConfigured => "not_configured",
            Conflict::Contended => "contended",
        }
    }

    /// One sentence, the same each time.
    pub const fn title(self) -> &'static str {
        match self {
            Conflict::Exists => "It exists, with other content",
            Conflict::CampaignExists => "The campaign exists, with other content",
            Conflict::CampaignFinished => "The campaign is finished",
            Conflict::Claimed => "It belongs to another account",
            Conflict::ReferenceConflict => "The reference was used for something else",
            Conflict::WalletExhausted => "The wallet waits for credits",
            Conflict::HoldOpen => "The send is still on its way",
            Conflict::VersionInForce => "That version may already price messages",
            Conflict::NotConfigured => "The gateway is not configured for this",
            Conflict::Contended => "Others change the same settings",
        }
    }
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Its path in the input, `caps[0].max`; or a column's name.
    pub field: String,
    /// The line of a file, from 1.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub detail: String,
}

/// Why a business operation was not done.
#[derive(Debug)]
pub enum ControlError {
    /// Fields that do not fit, all of them.
    Invalid {
        /// One sentence about all of them.
        detail: String,
        /// Each of them, in the order in which they were found.
        fields: Vec<FieldError>,
    },
    /// The principal may not do this.
    Forbidden(&'static str),
    /// There is no such object, or the principal may not know of it.
    NotFound(String),
    /// The present state forbids it.
    Conflict(Conflict, String),
    /// Credits are missing.
    Shortfall {
        /// One sentence with the numbers.
        detail: String,
        /// What would have to be available.
        needed: Amount,
        /// What is available.
        available: Amount,
        /// The unit of both.
        currency: String,
    },
    /// The ledger failed, or too much waits for it.
    Ledger(CallFault),
    /// Upstream refused what was asked of it.
    UpstreamRefused(String),
    /// Upstream gave no reply that can be read.
    UpstreamUnavailable(String),
    /// A mistake of the gateway's own; the particulars are in the log.
    Internal(&'static str),
}

impl ControlError {
    /// There is no such object.
    pub fn not_found(what: &str, id: impl fmt::Display) -> ControlError {
        ControlError::NotFound(format!("there is no {what} {id}"))
    }

    /// Something that cannot happen did; the particulars go to the log.
    pub fn internal(what: &'static str, particulars: &dyn fmt::Debug) -> ControlError {
        tracing::error!(?particulars, "{what}");
        ControlError::Internal(what)
    }

    /// A verdict that does not belong to what was asked.
    pub(super) fn unexpected(verdict: &Verdict) -> ControlError {
        ControlError::internal("the ledger gave a verdict of another operation", verdict)
    }

    /// One sentence, the same for every error of this kind.
    pub const fn title(&self) -> &'static str {
        match self {
            ControlError::Invalid { .. } => "The content does not fit",
            ControlError::Forbidden(_) => "The key may not do this",
            ControlError::NotFound(_) => "There is no such thing",
            ControlError::Conflict(conflict, _) => conflict.title(),
            ControlError::Shortfall { .. } => "Not enough credits",
            ControlError::Ledger(CallFault::Overloaded) => "Too much is waiting",
            ControlError::Ledger(_) => "The ledger does not answer",
            ControlError::UpstreamRefused(_) => "Meta refused to answer",
            ControlError::UpstreamUnavailable(_) => "Meta gave no answer that can be read",
            ControlError::Internal(_) => "The gateway made a mistake",
        }
    }

    /// One sentence with the particulars.
    pub fn detail(&self) -> String {
        match self {
            ControlError::Invalid { detail, .. }
            | ControlError::NotFound(detail)
            | ControlError::Conflict(_, detail)
            | ControlError::Shortfall { detail, .. }
            | ControlError::UpstreamRefused(detail)
            | ControlError::UpstreamUnavailable(detail) => detail.clone(),
            ControlError::Forbidden(detail) | ControlError::Internal(detail) => {
                (*detail).to_owned()
            }
            ControlError::Ledger(CallFault::Overloaded) => {
                "too many operations of this account wait for the ledger; nothing was changed"
                    .to_owned()
            }
            ControlError::Ledger(CallFault::Ledger(fault) | CallFault::Late(fault)) => {
                fault.to_string()
            }
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.detail())
    }
}

impl std::error::Error for ControlError {}

impl From<CallFault> for ControlError {
    fn from(fault: CallFault) -> ControlError {
        ControlError::Ledger(fault)
    }
}

impl From<LedgerFault> for ControlError {
    fn from(fault: LedgerFault) -> ControlError {
        ControlError::Ledger(CallFault::Ledger(fault))
    }
}
