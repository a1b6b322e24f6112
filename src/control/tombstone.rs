//! Tombstones: what a person removed stays removed, though the configuration may go on declaring
//! it. They are names among the claims on keys, none of which looks like a key's hash, so that
//! versions that know of none read the store as before.

use crate::clock::Clock;
use crate::ids::{AccountId, ChannelId};
use crate::ledger::{ClaimKind, Claims, FaultReason, LedgerFault};

/// Remembers for good that something was removed.
pub struct Tombstone(String);

impl Tombstone {
    /// Of a key's text, by its hash in hexadecimal digits: it opens nothing again, under whatever
    /// id and in whatever account.
    pub fn of_key(hash: &str) -> Tombstone {
        Tombstone(format!("removed/key/{hash}"))
    }

    /// Of an account's channel.
    pub fn of_channel(account: &AccountId, channel: &ChannelId) -> Tombstone {
        Tombstone(format!("removed/channel/{account}/{channel}"))
    }

    /// Of an account's template, by the id of its document.
    pub fn of_template(account: &AccountId, document: &str) -> Tombstone {
        Tombstone(format!("removed/template/{account}/{document}"))
    }

    /// Sets it, to be called before the object itself goes: a call that ends between the two
    /// leaves something to remove, not something that comes back. A store that is out of memory
    /// takes none, but must not keep a leaked key from being revoked.
    pub(super) async fn set(&self, claims: &dyn Claims, clock: &Clock) -> Result<(), LedgerFault> {
        let now_ms = clock.now_ms().to_string();
        match claims.claim(ClaimKind::Key, &self.0, &now_ms).await {
            Err(fault) if fault.reason() == FaultReason::OutOfMemory => {
                tracing::error!(
                    %fault,
                    "something was removed that the ledger has no memory to remember; if the \
                     configuration declares it, take it out before the next start"
                );
                Ok(())
            }
            set => set.map(drop),
        }
    }

    /// When it was first set, in Unix milliseconds; `None` if it never was.
    ///
    /// # Errors
    /// A fault of the ledger.
    pub async fn set_at_ms(&self, claims: &dyn Claims) -> Result<Option<i64>, LedgerFault> {
        let found = claims.claimed(ClaimKind::Key, &self.0).await?;
        Ok(found.map(|at| at.parse().unwrap_or_default()))
    }
}
