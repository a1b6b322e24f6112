//! Who is calling, and why a key may be refused.

use std::sync::Arc;
use std::time::Duration;

use super::documents::Scope;
use super::snapshot::Snapshot;
use crate::ids::{CampaignId, KeyId};
use crate::ledger::LedgerFault;

/// The owner of operator keys among the claims; no account id has this form.
pub const OPERATOR: &str = "*";

/// Who is calling, after authentication.
#[derive(Debug, Clone)]
pub enum Principal {
    /// May do everything.
    Operator,
    /// May do what the key's scopes allow, on this account.
    Account {
        /// The account's settings at the time of the call.
        snapshot: Arc<Snapshot>,
        /// The key that was used.
        key: KeyId,
        /// What it may do.
        scopes: Vec<Scope>,
        /// The campaign all its sends belong to.
        campaign: Option<CampaignId>,
    },
}

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthError {
    /// There is no such key.
    Unknown,
    /// The client's address has presented so many unknown keys that keys not known to be good are
    /// not looked up for this long.
    TooManyFailures(Duration),
    /// The ledger is unavailable, so the key cannot be looked up.
    Ledger(LedgerFault),
}
