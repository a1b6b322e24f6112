//! The catalog: what an account is set up with - channels, WABAs, templates, keys - as an immutable
//! snapshot of the ledger's documents, loaded on first use and kept in memory.

pub mod documents;
mod failed_keys;
mod key_owners;
pub mod keys;
mod principal;
pub mod rate_cards;
mod shared_look;
mod snapshot;
mod template_name;
pub mod token_names;
mod tokens;
pub mod validate;

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::ids::{AccountId, KeyId, SharedMap};
use crate::ledger::{ClaimKind, Claims, Fingerprint, LedgerFault, LedgerReads, OpenLedger};
use failed_keys::FailedKeys;
use key_owners::{KeyOwners, Owner};
pub use keys::{KeyHasher, KeyText};
pub use principal::{AuthError, OPERATOR, Principal};
use shared_look::SharedLook;
pub use snapshot::{Channel, Snapshot, Waba, zone};
pub use template_name::TemplateName;
pub use token_names::VariablePattern;
pub use tokens::{TokenError, Tokens};

/// A snapshot that was compared with the ledger within this time is used as it is; an older one is
/// compared in the background.
const FRESH_MS: i64 = 1_000;

/// A snapshot older than this is compared before it is used, so that what was taken back at one
/// gateway holds at all within two seconds.
const STALE_MS: i64 = 2_000;

/// While the ledger is unavailable, settings compared within this time are used.
const KEPT_MS: i64 = 60_000;

struct Loaded {
    snapshot: Arc<Snapshot>,
    /// When it was last known to be the ledger's, in the clock's elapsed milliseconds.
    compared_ms: i64,
    /// When a comparison was last begun in the background, and when one last failed.
    asked_ms: i64,
    failed_ms: i64,
}

/// What a look at an account's settings finds; `None` if there is no such account.
type Found = Result<Option<Arc<Snapshot>>, LedgerFault>;

/// All accounts' settings, loaded on first use.
pub struct Catalog {
    reads: Arc<dyn LedgerReads>,
    claims: Arc<dyn Claims>,
    clock: Clock,
    hasher: KeyHasher,
    snapshots: SharedMap<AccountId, Loaded>,
    /// However many ask for an account's settings, they are read once at a time.
    looks: SharedMap<AccountId, Arc<SharedLook<Found>>>,
    /// Accounts whose settings were looked at since [`Catalog::take_in_use`] was last called.
    in_use: Mutex<HashSet<AccountId>>,
    key_owners: Arc<KeyOwners>,
    failed_keys: FailedKeys,
}

impl Catalog {
    /// A catalog over `ledger`; `failed_keys` is how many unknown keys a minute one address may
    /// present, `None` is any number.
    pub fn new(ledger: &OpenLedger, clock: Clock, failed_keys: Option<NonZeroU32>) -> Catalog {
        let (reads, claims) = (ledger.reads.clone(), ledger.claims.clone());
        Catalog {
            hasher: KeyHasher::new(&ledger.identity.pepper),
            key_owners: Arc::new(KeyOwners::new(claims.clone(), clock.clone())),
            failed_keys: FailedKeys::new(failed_keys),
            snapshots: SharedMap::default(),
            looks: SharedMap::default(),
            in_use: Mutex::default(),
            reads,
            claims,
            clock,
        }
    }

    /// The hasher with the ledger's secret.
    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The account's settings, from memory if they were the ledger's within the last two seconds;
    /// `None` if there is no such account.
    ///
    /// # Errors
    /// A fault of the ledger, unless it had these settings within the last minute.
    pub async fn account(
        self: &Arc<Self>,
        account: &AccountId,
    ) -> Result<Option<Arc<Snapshot>>, LedgerFault> {
        let now_ms = self.clock.elapsed_ms();
        let known = self.snapshots.get_mut(account).map(|mut loaded| {
            let since = |then_ms: i64| now_ms.saturating_sub(then_ms);
            let age_ms = since(loaded.compared_ms);
            let ask = (FRESH_MS..STALE_MS).contains(&age_ms) && since(loaded.asked_ms) >= FRESH_MS;
            if ask {
                loaded.asked_ms = now_ms;
            }
            // While comparisons fail, one a second is tried.
            let failing = since(loaded.failed_ms) < FRESH_MS;
            (loaded.snapshot.clone(), age_ms, ask, failing)
        });
        let Some((snapshot, age_ms, ask, failing)) = known else {
            return self.reload(account).await;
        };
        if ask {
            let (catalog, account) = (self.clone(), account.clone());
            // A fault is noted by the comparison.
            tokio::spawn(async move { drop(catalog.reload(&account).await) });
        }
        if age_ms < STALE_MS || (failing && age_ms < KEPT_MS) {
            return Ok(Some(snapshot));
        }
        match self.reload(account).await {
            Err(_) if age_ms < KEPT_MS => Ok(Some(snapshot)),
            found => found,
        }
    }

    /// The account's settings as the ledger has them now, loaded only if it has others than are in
    /// memory; `None` if there is no such account. Callers at the same time share one look.
    ///
    /// # Errors
    /// A fault of the ledger, or settings that cannot be read.
    pub async fn reload(&self, account: &AccountId) -> Result<Option<Arc<Snapshot>>, LedgerFault> {
        let look = self.looks.get(account).map(|look| look.clone());
        let look = look.unwrap_or_else(|| self.looks.entry(account.clone()).or_default().clone());
        let found = look.join(async || self.look(account).await).await;
        if !self.snapshots.contains_key(account) {
            self.looks.remove(account);
        }
        found
    }

    async fn look(&self, account: &AccountId) -> Found {
        let begun_ms = self.clock.elapsed_ms();
        let known = self.snapshots.get(account).map(|loaded| loaded.snapshot.clone());
        let found = match known {
            Some(known) => match self.reads.settings_version(account).await {
                Ok(version) if version == known.version => Ok(Some(known)),
                Ok(_) => self.load(account).await,
                Err(fault) => Err(fault),
            },
            None => self.load(account).await,
        };
        if let Some(mut loaded) = self.snapshots.get_mut(account) {
            self.in_use.lock().unwrap_or_else(PoisonError::into_inner).insert(account.clone());
            match &found {
                Ok(_) => loaded.compared_ms = loaded.compared_ms.max(begun_ms),
                Err(fault) => {
                    loaded.failed_ms = self.clock.elapsed_ms();
                    tracing::warn!(%account, %fault, "settings could not be compared");
                }
            }
        }
        found
    }

    /// Accounts that were in use here since the last call: whoever sends looks at the settings once
    /// a second.
    pub fn take_in_use(&self) -> HashSet<AccountId> {
        std::mem::take(&mut self.in_use.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn load(&self, account: &AccountId) -> Found {
        let begun_ms = self.clock.elapsed_ms();
        let documents = self.reads.documents(account).await?;
        if documents.settings_version == 0 {
            self.snapshots.remove(account);
            return Ok(None);
        }
        let of = account.clone();
        // Tens of thousands of templates take longer than other accounts' sends are to wait.
        let read = move || Snapshot::read(&of, &documents).map_err(|error| error.to_string());
        let read = tokio::task::spawn_blocking(read).await;
        let snapshot = match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(error) => {
                tracing::error!(%account, %error, "the account's settings cannot be read");
                let text = format!("the settings of account {account} cannot be read: {error}");
                return Err(LedgerFault::Refused(text.into()));
            }
        };
        let loaded = || Loaded {
            snapshot: snapshot.clone(),
            compared_ms: begun_ms,
            asked_ms: begun_ms,
            failed_ms: i64::MIN,
        };
        let mut entry = self.snapshots.entry(account.clone()).or_insert_with(loaded);
        // A store that lost writes has an earlier version, and it is the one that counts.
        let later = entry.compared_ms < begun_ms && entry.snapshot.version != snapshot.version;
        if later || entry.snapshot.version < snapshot.version {
            *entry = loaded();
        }
        drop(entry);
        Ok(Some(snapshot))
    }

    /// Returns who calls with this key, from `client`'s address if that is known.
    ///
    /// # Errors
    /// A key that is unknown, an address that has presented too many of them, or a ledger that is
    /// unavailable.
    pub async fn authenticate(
        self: &Arc<Self>,
        key: &str,
        client: Option<IpAddr>,
    ) -> Result<Principal, AuthError> {
        let hash = keys::is_well_formed(key).then(|| self.hasher.key(key));
        // Keys in memory are good: whoever shares the address of a guesser keeps sending.
        let known = hash.is_some_and(|hash| self.key_owners.knows(&hash));
        if !known && let Some(wait) = client.and_then(|client| self.failed_keys.blocked(client)) {
            return Err(AuthError::TooManyFailures(wait));
        }
        // What cannot be a key costs no look-up.
        let hash = hash.ok_or(AuthError::Unknown)?;
        let result = self.principal_of(hash).await;
        if let (Err(AuthError::Unknown), Some(client)) = (&result, client) {
            self.failed_keys.count(client, hash);
        }
        result
    }

    async fn principal_of(self: &Arc<Self>, hash: Fingerprint) -> Result<Principal, AuthError> {
        let (account, key_id) = match self.key_owners.owner(&hash).await? {
            Owner::Operator => return Ok(Principal::Operator),
            Owner::Account(account, key_id) => (account, key_id),
        };
        let snapshot =
            self.account(&account).await.map_err(AuthError::Ledger)?.ok_or(AuthError::Unknown)?;
        let has_key = |snapshot: &Snapshot| {
            snapshot
                .keys
                .get(&key_id)
                .is_some_and(|settings| keys::is_hex_of(&settings.hash, &hash))
        };
        if has_key(&snapshot) {
            return self.principal(&snapshot, &key_id);
        }
        // The key may be younger than the snapshot.
        let reloaded = self.reload(&account).await.map_err(AuthError::Ledger)?;
        let snapshot = reloaded.filter(|snapshot| has_key(snapshot)).ok_or(AuthError::Unknown)?;
        self.principal(&snapshot, &key_id)
    }

    /// The owner of a key that the account has; one whose time is over opens nothing.
    fn principal(&self, snapshot: &Arc<Snapshot>, key_id: &KeyId) -> Result<Principal, AuthError> {
        let now_ms = self.clock.now_ms();
        let settings = snapshot
            .keys
            .get(key_id)
            .filter(|settings| settings.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms))
            .ok_or(AuthError::Unknown)?;
        Ok(Principal::Account {
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

    /// Forgets addresses and keys that nothing comes from or with; to be called now and then.
    pub fn tidy(&self) {
        self.failed_keys.tidy();
        self.key_owners.tidy();
    }

    /// Forgets a key that was revoked.
    pub fn forget_key(&self, hash: &Fingerprint) {
        self.key_owners.forget(hash);
    }
}
