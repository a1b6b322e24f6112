//! The catalog: what an account is set up with - channels, WABAs, templates, keys - as an immutable
//! snapshot of the ledger's documents, loaded on first use and kept in memory.

pub mod documents;
mod key_owners;
pub mod keys;
mod principal;
pub mod rate_cards;
mod snapshot;
mod template_name;
pub mod token_names;
mod tokens;
pub mod validate;

use std::sync::Arc;

use dashmap::DashMap;

use crate::clock::Clock;
use crate::ids::{AccountId, KeyId};
use crate::ledger::{ClaimKind, Claims, Fingerprint, LedgerFault, LedgerReads, OpenLedger};
use key_owners::KeyOwners;
pub use keys::{KeyHasher, KeyText};
pub use principal::{AuthError, Principal};
pub use snapshot::{Channel, Snapshot, Waba, zone};
pub use template_name::TemplateName;
pub use token_names::VariablePattern;
pub use tokens::{TokenError, Tokens};

/// A snapshot older than this is loaded again in the background; changes made elsewhere are also
/// noticed by the next reserve.
const REFRESH_AFTER_MS: i64 = 5_000;

/// The owner of operator keys among the claims; no account id has this form.
pub const OPERATOR: &str = "*";

struct Loaded {
    snapshot: Arc<Snapshot>,
    loaded_ms: i64,
}

/// All accounts' settings, loaded on first use.
pub struct Catalog {
    reads: Arc<dyn LedgerReads>,
    claims: Arc<dyn Claims>,
    clock: Clock,
    hasher: KeyHasher,
    snapshots: DashMap<AccountId, Loaded>,
    key_owners: Arc<KeyOwners>,
}

impl Catalog {
    /// A catalog over `ledger`.
    pub fn new(ledger: &OpenLedger, clock: Clock) -> Catalog {
        let (reads, claims) = (ledger.reads.clone(), ledger.claims.clone());
        Catalog {
            hasher: KeyHasher::new(&ledger.identity.pepper),
            key_owners: Arc::new(KeyOwners::new(claims.clone(), clock.clone())),
            snapshots: DashMap::new(),
            reads,
            claims,
            clock,
        }
    }

    /// The hasher with the ledger's secret.
    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The account's settings, from memory if they are known there; `None` if there is no such
    /// account. Settings older than 5 s are loaded again in the background.
    pub async fn account(
        self: &Arc<Self>,
        account: &AccountId,
    ) -> Result<Option<Arc<Snapshot>>, LedgerFault> {
        let now_ms = self.clock.now_ms();
        let known = self.snapshots.get_mut(account).map(|mut loaded| {
            let stale = now_ms.saturating_sub(loaded.loaded_ms) > REFRESH_AFTER_MS;
            if stale {
                // One caller refreshes; the others use the settings as they are.
                loaded.loaded_ms = now_ms;
            }
            (loaded.snapshot.clone(), stale)
        });
        match known {
            Some((snapshot, stale)) => {
                if stale {
                    let (catalog, account) = (self.clone(), account.clone());
                    tokio::spawn(async move {
                        if let Err(fault) = catalog.reload(&account).await {
                            tracing::warn!(%account, %fault, "settings could not be refreshed");
                        }
                    });
                }
                Ok(Some(snapshot))
            }
            None => self.reload(account).await,
        }
    }

    /// Loads the account's settings from the ledger; `None` if there is no such account.
    pub async fn reload(&self, account: &AccountId) -> Result<Option<Arc<Snapshot>>, LedgerFault> {
        let documents = self.reads.documents(account).await?;
        if documents.settings_version == 0 {
            self.snapshots.remove(account);
            return Ok(None);
        }
        let version = documents.settings_version;
        let snapshot = match Snapshot::read(account, &documents) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(error) => {
                tracing::error!(%account, %error, "the account's settings cannot be read");
                return Err(LedgerFault::Refused(format!(
                    "the settings of account {account} cannot be read: {error}"
                )));
            }
        };
        let loaded = Loaded { snapshot: snapshot.clone(), loaded_ms: self.clock.now_ms() };
        let mut entry = self
            .snapshots
            .entry(account.clone())
            .or_insert_with(|| Loaded { snapshot: snapshot.clone(), loaded_ms: 0 });
        if entry.snapshot.version <= version {
            *entry = loaded;
        }
        Ok(Some(snapshot))
    }

    /// Returns who calls with this key.
    ///
    /// # Errors
    /// A key that is unknown, or a ledger that is unavailable.
    pub async fn authenticate(self: &Arc<Self>, key: &str) -> Result<Principal, AuthError> {
        if !keys::is_well_formed(key) {
            return Err(AuthError::Unknown);
        }
        let hash = self.hasher.key(key);
        let owner = self.key_owners.owner(&hash).await?;
        let Some((account, key_id)) = owner.split_once('/') else { return Err(AuthError::Unknown) };
        if account == OPERATOR {
            return Ok(Principal::Operator);
        }
        let (Ok(account), Ok(key_id)) = (account.parse::<AccountId>(), key_id.parse::<KeyId>())
        else {
            return Err(AuthError::Unknown);
        };
        let snapshot =
            self.account(&account).await.map_err(AuthError::Ledger)?.ok_or(AuthError::Unknown)?;
        match self.principal(&snapshot, &key_id, &hash) {
            Some(principal) => Ok(principal),
            None => {
                // The key may be younger than the snapshot.
                let snapshot = self
                    .reload(&account)
                    .await
                    .map_err(AuthError::Ledger)?
                    .ok_or(AuthError::Unknown)?;
                self.principal(&snapshot, &key_id, &hash).ok_or(AuthError::Unknown)
            }
        }
    }

    fn principal(
        &self,
        snapshot: &Arc<Snapshot>,
        key_id: &KeyId,
        hash: &Fingerprint,
    ) -> Option<Principal> {
        let settings =
            snapshot.keys.get(key_id).filter(|settings| settings.hash == keys::hex(hash))?;
        Some(Principal::Account {
            snapshot: snapshot.clone(),
            key: key_id.clone(),
            scopes: settings.scopes.clone(),
            campaign: settings.campaign.clone(),
        })
    }

    /// Returns whether some account has a channel of that id.
    pub async fn is_channel(&self, id: &str) -> Result<bool, LedgerFault> {
        Ok(self.claims.claimed(ClaimKind::Channel, id).await?.is_some())
    }

    /// Forgets a key that was revoked.
    pub fn forget_key(&self, hash: &Fingerprint) {
        self.key_owners.forget(hash);
    }

    /// The settings of all accounts in memory, for jobs.
    pub fn known_accounts(&self) -> Vec<Arc<Snapshot>> {
        self.snapshots.iter().map(|loaded| loaded.snapshot.clone()).collect()
    }
}
