//! The owners of gateway keys: the ledger's claims on keys, kept in memory for a minute, so that a
//! send is authenticated without waiting for the ledger.

use std::sync::Arc;

use super::keys::hex;
use super::principal::{AuthError, OPERATOR};
use crate::clock::Clock;
use crate::ids::{AccountId, KeyId, SharedMap};
use crate::ledger::{ClaimKind, Claims, Fingerprint};

/// A key looked up within this time stays valid while the ledger is unavailable.
const KEY_KEPT_MS: i64 = 60_000;

/// A key looked up within this time is not looked up again; an older one is, in the background.
const KEY_FRESH_MS: i64 = 1_000;

/// A key older than this is looked up before it is used, so that a revocation holds at every
/// gateway within two seconds.
const KEY_STALE_MS: i64 = 2_000;

/// Who a key belongs to.
#[derive(Clone)]
pub(super) enum Owner {
    /// An operator.
    Operator,
    /// An account, which knows the key by that id.
    Account(AccountId, KeyId),
}

/// A key that nobody presented for this long is forgotten.
const FORGOTTEN_MS: i64 = 3_600_000;

struct KnownKey {
    owner: Owner,
    /// When it was last looked up, in the clock's elapsed milliseconds.
    seen_ms: i64,
    /// When the key was last looked up again, and when that last failed.
    asked_ms: i64,
    failed_ms: i64,
}

/// The owners of keys, by the keys' hashes.
pub(super) struct KeyOwners {
    claims: Arc<dyn Claims>,
    clock: Clock,
    known: SharedMap<Fingerprint, KnownKey>,
}

impl KeyOwners {
    pub fn new(claims: Arc<dyn Claims>, clock: Clock) -> KeyOwners {
        KeyOwners { claims, clock, known: SharedMap::default() }
    }

    /// The owner of a key as the ledger had it within the last two seconds; while the ledger is
    /// unavailable, within the last minute.
    pub async fn owner(self: &Arc<Self>, hash: &Fingerprint) -> Result<Owner, AuthError> {
        let now_ms = self.clock.elapsed_ms();
        let known = self.known.get_mut(hash).map(|mut known| {
            let age_ms = now_ms.saturating_sub(known.seen_ms);
            let since = |then_ms: i64| now_ms.saturating_sub(then_ms);
            let ask = (KEY_FRESH_MS..KEY_STALE_MS).contains(&age_ms)
                && since(known.asked_ms) >= KEY_FRESH_MS;
            if ask {
                known.asked_ms = now_ms;
            }
            // While look-ups fail, one a second is tried.
            let failing = since(known.failed_ms) < KEY_FRESH_MS;
            (known.owner.clone(), age_ms, ask, failing)
        });
        let Some((owner, age_ms, ask, failing)) = known else { return self.look_up(hash).await };
        if ask {
            let (owners, hash) = (self.clone(), *hash);
            // A fault is noted by the look-up.
            tokio::spawn(async move { drop(owners.look_up(&hash).await) });
        }
        if age_ms < KEY_STALE_MS || (failing && age_ms < KEY_KEPT_MS) {
            return Ok(owner);
        }
        match self.look_up(hash).await {
            Err(AuthError::Ledger(_)) if age_ms < KEY_KEPT_MS => Ok(owner),
            looked_up => looked_up,
        }
    }

    /// Whether a key is in memory, so that it was good a moment ago.
    pub fn knows(&self, hash: &Fingerprint) -> bool {
        self.known.contains_key(hash)
    }

    async fn look_up(&self, hash: &Fingerprint) -> Result<Owner, AuthError> {
        let now_ms = self.clock.elapsed_ms();
        let claimed = self.claims.claimed(ClaimKind::Key, &hex(hash)).await;
        if claimed.is_err()
            && let Some(mut known) = self.known.get_mut(hash)
        {
            known.failed_ms = self.clock.elapsed_ms();
        }
        match claimed.map_err(AuthError::Ledger)?.as_deref().and_then(owner) {
            Some(owner) => {
                self.known.insert(
                    *hash,
                    KnownKey {
                        owner: owner.clone(),
                        seen_ms: now_ms,
                        asked_ms: now_ms,
                        failed_ms: i64::MIN,
                    },
                );
                Ok(owner)
            }
            None => {
                self.known.remove(hash);
                Err(AuthError::Unknown)
            }
        }
    }

    /// Forgets keys that nobody presents any more; to be called now and then.
    pub fn tidy(&self) {
        let now_ms = self.clock.elapsed_ms();
        self.known.retain(|_, known| now_ms.saturating_sub(known.seen_ms) < FORGOTTEN_MS);
    }

    /// Forgets a key that was revoked.
    pub fn forget(&self, hash: &Fingerprint) {
        self.known.remove(hash);
    }
}

/// The owner that a claim names: `account/key`.
fn owner(claim: &str) -> Option<Owner> {
    let (account, key) = claim.split_once('/')?;
    if account == OPERATOR {
        return Some(Owner::Operator);
    }
    Some(Owner::Account(account.parse().ok()?, key.parse().ok()?))
}
