//! Names that were declared before: what must be unique, and what other objects may refer to.

use std::collections::BTreeSet;

use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::ids::{AccountId, ChannelId, WabaId, WalletId};

/// Names seen so far in the whole file, which no two accounts may share.
#[derive(Default)]
pub(super) struct Seen {
    /// Whether upstreams may be reached without TLS.
    pub allow_plaintext: bool,
    pub accounts: BTreeSet<AccountId>,
    pub channels: BTreeSet<ChannelId>,
    pub keys: Vec<Secret>,
}

/// Ids that one account declares, including those whose other fields are wrong, so that one mistake
/// is not reported as two.
#[derive(Default)]
pub(super) struct Declared {
    pub wallets: BTreeSet<WalletId>,
    pub wabas: BTreeSet<WabaId>,
}

/// Adds `id` to `seen`; reports a mistake if it is already in it.
pub(super) fn unique<T: Ord + Clone>(
    section: &Section<'_>,
    key: &'static str,
    id: Option<&T>,
    seen: &mut BTreeSet<T>,
    what: &str,
) {
    if id.is_some_and(|id| !seen.insert(id.clone())) {
        section.mistake(key, format!("this {what} was declared before"));
    }
}

/// Reports a mistake if the account does not declare `id`.
pub(super) fn refers<T: Ord>(
    section: &Section<'_>,
    key: &'static str,
    id: Option<&T>,
    known: &BTreeSet<T>,
    what: &str,
) {
    if id.is_some_and(|id| !known.contains(id)) {
        section.mistake(key, format!("the account declares no such {what}"));
    }
}
