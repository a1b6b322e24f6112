//! The catalog: what an account is set up with - channels, WABAs, templates, keys - as an immutable
//! snapshot of the ledger's documents.

pub mod documents;
pub mod keys;
pub mod rate_cards;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::ids::{AccountId, CampaignId, ChannelId, KeyId, PortfolioId, WabaId};
use crate::ledger::{
    CapRule, ClaimKind, Claims, DocumentKind, Documents, Fingerprint, LedgerFault, LedgerReads,
    OpenLedger,
};
use crate::pricing::Category;
use documents::{
    AccountSettings, ChannelSettings, KeySettings, Scope, TemplateSettings, WabaSettings,
};
pub use keys::{KeyHasher, KeyText};
pub use tokens::{TokenError, Tokens};

/// A snapshot older than this is loaded again in the background; changes made elsewhere are also
/// noticed by the next reserve.
const REFRESH_AFTER_MS: i64 = 5_000;

/// A key seen within this time stays valid while the ledger is away.
const KEY_KEPT_MS: i64 = 60_000;

/// A key is not looked up again sooner than this.
const KEY_ASKED_MS: i64 = 5_000;

/// All settings of one account at one version.
#[derive(Debug)]
pub struct Snapshot {
    /// The settings version every reserve carries.
    pub version: u64,
    /// Whose.
    pub id: AccountId,
    /// The account's own settings.
    pub account: AccountSettings,
    /// Its time zone, for days.
    pub time_zone: TimeZone,
    /// Its frequency caps as the ledger counts them.
    pub caps: Arc<[CapRule]>,
    /// By phone number ID.
    pub channels: HashMap<ChannelId, Channel>,
    /// By id.
    pub wabas: HashMap<WabaId, Waba>,
    /// Category by WABA, then `name/language`.
    pub templates: HashMap<WabaId, HashMap<String, Category>>,
    /// By key id.
    pub keys: HashMap<KeyId, KeySettings>,
}

/// A channel with what its sends need at hand.
#[derive(Debug)]
pub struct Channel {
    /// Its settings.
    pub settings: ChannelSettings,
    /// Zone of its WABA, where card versions and months begin.
    pub time_zone: TimeZone,
    /// Portfolio of its WABA, which carries the messaging limit.
    pub portfolio: PortfolioId,
}

/// A WABA.
#[derive(Debug)]
pub struct Waba {
    /// Its settings.
    pub settings: WabaSettings,
    /// Its zone, resolved.
    pub time_zone: TimeZone,
}

/// Who is calling, after authentication.
#[derive(Debug, Clone)]
pub enum Principal {
    /// May do everything.
    Operator,
    /// May do what the key's scopes say, on this account.
    Account {
        /// Settings at the time of the call.
        snapshot: Arc<Snapshot>,
        /// Which key.
        key: KeyId,
        /// What it may do.
        scopes: Vec<Scope>,
        /// The campaign all its sends belong to.
        campaign: Option<CampaignId>,
    },
}

/// Why a key opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// No such key.
    Unknown,
    /// Nobody can tell, because the ledger is away.
    Ledger(LedgerFault),
}

struct KnownKey {
    owner: Arc<str>,
    seen_ms: i64,
    /// When it was last looked up again.
    asked_ms: i64,
}

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
    keys: DashMap<Fingerprint, KnownKey>,
}

/// Who owns operator keys among the claims; no account id looks like it.
pub const OPERATOR: &str = "*";

impl Catalog {
    /// A catalog over `ledger`.
    pub fn new(ledger: &OpenLedger, clock: Clock) -> Catalog {
        let hasher = KeyHasher::new(&ledger.identity.pepper);
        let (reads, claims) = (ledger.reads.clone(), ledger.claims.clone());
        Catalog { reads, claims, clock, hasher, snapshots: DashMap::new(), keys: DashMap::new() }
    }

    /// Hashes keys, recipients and bodies with the ledger's secret.
    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The account's settings, from memory where they are fresh enough; `None` where it does not
    /// exist.
    pub async fn account(
        self: &Arc<Self>,
        account: &AccountId,
    ) -> Result<Option<Arc<Snapshot>>, LedgerFault> {
        let now_ms = self.clock.now_ms();
        let known = self.snapshots.get_mut(account).map(|mut loaded| {
            let stale = now_ms.saturating_sub(loaded.loaded_ms) > REFRESH_AFTER_MS;
            if stale {
                // One caller refreshes; the others go on with what is known.
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

    /// Loads the account's settings anew.
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

    /// Whose key is it?
    pub async fn authenticate(self: &Arc<Self>, key: &str) -> Result<Principal, Locked> {
        if !keys::is_well_formed(key) {
            return Err(Locked::Unknown);
        }
        let hash = self.hasher.key(key);
        let owner = self.key_owner(&hash).await?;
        let Some((account, key_id)) = owner.split_once('/') else { return Err(Locked::Unknown) };
        if account == OPERATOR {
            return Ok(Principal::Operator);
        }
        let (Ok(account), Ok(key_id)) = (account.parse::<AccountId>(), key_id.parse::<KeyId>())
        else {
            return Err(Locked::Unknown);
        };
        let snapshot =
            self.account(&account).await.map_err(Locked::Ledger)?.ok_or(Locked::Unknown)?;
        match self.principal(&snapshot, &key_id, &hash) {
            Some(principal) => Ok(principal),
            None => {
                // The key may be younger than the snapshot.
                let snapshot =
                    self.reload(&account).await.map_err(Locked::Ledger)?.ok_or(Locked::Unknown)?;
                self.principal(&snapshot, &key_id, &hash).ok_or(Locked::Unknown)
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

    /// Keys are looked up once; after half their time they are looked up again behind the caller's
    /// back, so that nobody waits for a ledger that does not answer.
    async fn key_owner(self: &Arc<Self>, hash: &Fingerprint) -> Result<Arc<str>, Locked> {
        let now_ms = self.clock.now_ms();
        let known = self.keys.get_mut(hash).and_then(|mut known| {
            let age_ms = now_ms.saturating_sub(known.seen_ms);
            let asked_ms = now_ms.saturating_sub(known.asked_ms);
            let ask = age_ms > KEY_KEPT_MS / 2 && asked_ms > KEY_ASKED_MS;
            if ask {
                known.asked_ms = now_ms;
            }
            (age_ms <= KEY_KEPT_MS).then(|| (known.owner.clone(), ask))
        });
        let Some((owner, ask)) = known else { return self.look_up_key(hash).await };
        if ask {
            let (catalog, hash) = (self.clone(), *hash);
            tokio::spawn(async move {
                // A fault is the ledger's to report; the key stays as it is until its time is over.
                let _ = catalog.look_up_key(&hash).await;
            });
        }
        Ok(owner)
    }

    async fn look_up_key(&self, hash: &Fingerprint) -> Result<Arc<str>, Locked> {
        let now_ms = self.clock.now_ms();
        match self.claims.claimed(ClaimKind::Key, &keys::hex(hash)).await.map_err(Locked::Ledger)? {
            Some(owner) => {
                let owner: Arc<str> = owner.into();
                self.keys.insert(
                    *hash,
                    KnownKey { owner: owner.clone(), seen_ms: now_ms, asked_ms: now_ms },
                );
                Ok(owner)
            }
            None => {
                self.keys.remove(hash);
                Err(Locked::Unknown)
            }
        }
    }

    /// Does some account have a channel of that id?
    pub async fn is_channel(&self, id: &str) -> Result<bool, LedgerFault> {
        Ok(self.claims.claimed(ClaimKind::Channel, id).await?.is_some())
    }

    /// Forgets a key that was taken back.
    pub fn forget_key(&self, hash: &Fingerprint) {
        self.keys.remove(hash);
    }

    /// Accounts in memory, for jobs.
    pub fn known_accounts(&self) -> Vec<Arc<Snapshot>> {
        self.snapshots.iter().map(|loaded| loaded.snapshot.clone()).collect()
    }
}

impl Snapshot {
    /// Reads the stored documents.
    fn read(id: &AccountId, documents: &Documents) -> Result<Snapshot, String> {
        let mut account = None;
        let (mut channels, mut wabas, mut keys) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut templates: HashMap<WabaId, HashMap<String, Category>> = HashMap::new();
        let bad = |document: &crate::ledger::Document, error: &dyn std::fmt::Display| {
            format!("{} {}: {error}", document.kind.as_str(), document.id)
        };
        for document in &documents.documents {
            let failed = |error: serde_json::Error| bad(document, &error);
            let misnamed = |error: crate::ids::IdError| bad(document, &error);
            match document.kind {
                DocumentKind::Account => {
                    account = Some(
                        serde_json::from_str::<AccountSettings>(&document.body).map_err(failed)?,
                    )
                }
                DocumentKind::Channel => {
                    let settings: ChannelSettings =
                        serde_json::from_str(&document.body).map_err(failed)?;
                    channels.insert(document.id.parse::<ChannelId>().map_err(misnamed)?, settings);
                }
                DocumentKind::Waba => {
                    let settings: WabaSettings =
                        serde_json::from_str(&document.body).map_err(failed)?;
                    let time_zone = zone(&settings.time_zone)
                        .ok_or_else(|| bad(document, &"unknown time zone"))?;
                    wabas.insert(
                        document.id.parse::<WabaId>().map_err(misnamed)?,
                        Waba { settings, time_zone },
                    );
                }
                DocumentKind::Template => {
                    let settings: TemplateSettings =
                        serde_json::from_str(&document.body).map_err(failed)?;
                    let (waba, name) = document
                        .id
                        .split_once('/')
                        .ok_or_else(|| bad(document, &"malformed id"))?;
                    templates
                        .entry(waba.parse().map_err(misnamed)?)
                        .or_default()
                        .insert(name.to_owned(), settings.category);
                }
                DocumentKind::Key => {
                    let settings: KeySettings =
                        serde_json::from_str(&document.body).map_err(failed)?;
                    keys.insert(document.id.parse::<KeyId>().map_err(misnamed)?, settings);
                }
            }
        }
        let account = account.ok_or("it has no account document")?;
        let time_zone = zone(&account.time_zone).ok_or("its time zone is unknown")?;
        let with_waba = |(number, settings): (ChannelId, ChannelSettings)| {
            let waba = settings.waba.as_ref().and_then(|waba| wabas.get(waba));
            let portfolio = waba.map_or_else(documents::default_portfolio, |waba: &Waba| {
                waba.settings.portfolio.clone()
            });
            let time_zone = waba.map_or_else(|| time_zone.clone(), |waba| waba.time_zone.clone());
            (number, Channel { settings, time_zone, portfolio })
        };
        let channels = channels.into_iter().map(with_waba).collect();
        let caps = account.caps.iter().map(documents::FrequencyCap::rule).collect();
        Ok(Snapshot {
            version: documents.settings_version,
            id: id.clone(),
            account,
            time_zone,
            caps,
            channels,
            wabas,
            templates,
            keys,
        })
    }

    /// The category of a template, if the catalog knows it; `language` as sends write it (`en_US`).
    pub fn template(&self, waba: &WabaId, name: &str, language: &str) -> Option<Category> {
        let templates = self.templates.get(waba)?;
        let mut key = String::with_capacity(name.len() + language.len() + 1);
        key.push_str(name);
        key.push('/');
        key.push_str(language);
        templates.get(&key).copied()
    }
}

/// A time zone of the bundled database.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}
