//! The owners of gateway keys: the ledger's claims on keys, kept in memory for a minute, so that a
//! send is authenticated without waiting for the ledger.

use std::sync::Arc;

use dashmap::DashMap;

use super::keys::hex;
use super::principal::AuthError;
use crate::clock::Clock;
use crate::ledger::{ClaimKind, Claims, Fingerprint};

/// A key looked up within this time stays valid while the ledger is unavailable.
const KEY_KEPT_MS: i64 = 60_000;

/// A key is not looked up again sooner than this.
const KEY_ASKED_MS: i64 = 5_000;

struct KnownKey {
    owner: Arc<str>,
    seen_ms: i64,
    /// When the key was last looked up again, in Unix milliseconds.
    asked_ms: i64,
}

/// The owners of keys, by the keys' hashes.
pub(super) struct KeyOwners {
    claims: Arc<dyn Claims>,
    clock: Clock,
    known: DashMap<Fingerprint, KnownKey>,
}

impl KeyOwners {
    pub fn new(claims: Arc<dyn Claims>, clock: Clock) -> KeyOwners {
        KeyOwners { claims, clock, known: DashMap::new() }
    }

    /// The owner of a key, `account/key`. Keys are looked up once; after half their time they are
    /// looked up again in the background, so that no send waits for a ledger that does not reply.
    pub async fn owner(self: &Arc<Self>, hash: &Fingerprint) -> Result<Arc<str>, AuthError> {
        let now_ms = self.clock.now_ms();
        let known = self.known.get_mut(hash).and_then(|mut known| {
            let age_ms = now_ms.saturating_sub(known.seen_ms);
            let asked_ms = now_ms.saturating_sub(known.asked_ms);
            let ask = age_ms > KEY_KEPT_MS / 2 && asked_ms > KEY_ASKED_MS;
            if ask {
                known.asked_ms = now_ms;
            }
            (age_ms <= KEY_KEPT_MS).then(|| (known.owner.clone(), ask))
        });
        let Some((owner, ask)) = known else { return self.look_up(hash).await };
        if ask {
            let (owners, hash) = (self.clone(), *hash);
            tokio::spawn(async move {
                // A fault is the ledger's to report; the key stays as it is until its time is over.
                let _ = owners.look_up(&hash).await;
            });
        }
        Ok(owner)
    }

    async fn look_up(&self, hash: &Fingerprint) -> Result<Arc<str>, AuthError> {
        let now_ms = self.clock.now_ms();
        match self.claims.claimed(ClaimKind::Key, &hex(hash)).await.map_err(AuthError::Ledger)? {
            Some(owner) => {
                let owner: Arc<str> = owner.into();
                self.known.insert(
                    *hash,
                    KnownKey { owner: owner.clone(), seen_ms: now_ms, asked_ms: now_ms },
                );
                Ok(owner)
            }
            None => {
                self.known.remove(hash);
                Err(AuthError::Unknown)
            }
        }
    }

    /// Forgets a key that was revoked.
    pub fn forget(&self, hash: &Fingerprint) {
        self.known.remove(hash);
    }
}
