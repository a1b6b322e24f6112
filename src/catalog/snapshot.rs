//! All settings of one account, read from the ledger's documents into an immutable snapshot.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::documents::{
    self, AccountSettings, ChannelSettings, FrequencyCap, KeySettings, TemplateSettings,
    WabaSettings,
};
use crate::ids::{AccountId, ChannelId, FastHash, IdError, KeyId, PortfolioId, WabaId};
use crate::ledger::{CapRule, Document, DocumentKind, Documents};
use crate::pricing::Category;

/// What a send looks up in the settings.
type Map<K, V> = HashMap<K, V, FastHash>;

/// All settings of one account at one version.
#[derive(Debug)]
pub struct Snapshot {
    /// The version of the settings, which every reserve names.
    pub version: u64,
    /// The account.
    pub id: AccountId,
    /// The account's own settings.
    pub account: AccountSettings,
    /// The account's time zone, in which its usage days begin.
    pub time_zone: TimeZone,
    /// The account's frequency caps in the form the ledger counts by.
    pub caps: Arc<[CapRule]>,
    /// Its channels by phone number ID.
    pub channels: Map<ChannelId, Arc<Channel>>,
    /// Its WABAs by Meta's id.
    pub wabas: Map<WabaId, Waba>,
    /// Category by WABA, then `name/language`.
    pub templates: Map<WabaId, Map<String, Category>>,
    /// Its gateway keys by id.
    pub keys: Map<KeyId, KeySettings>,
}

/// A channel with what its sends need of its WABA.
#[derive(Debug)]
pub struct Channel {
    /// The settings document.
    pub settings: ChannelSettings,
    /// Zone of its WABA, in which card versions and months begin; the account's if it has no WABA.
    pub time_zone: TimeZone,
    /// Portfolio of its WABA, which carries the messaging limit.
    pub portfolio: PortfolioId,
}

/// A WABA with its time zone.
#[derive(Debug)]
pub struct Waba {
    /// The settings document.
    pub settings: WabaSettings,
    /// The zone that the settings name.
    pub time_zone: TimeZone,
}

impl Snapshot {
    /// Reads the documents of account `id`.
    ///
    /// # Errors
    /// A sentence that names the document that cannot be read.
    pub(super) fn read(id: &AccountId, documents: &Documents) -> Result<Snapshot, String> {
        let mut read = Read::default();
        for document in &documents.documents {
            read.add(document)?;
        }
        let Read { account, channels, wabas, templates, keys } = read;
        let account = account.ok_or("it has no account document")?;
        let time_zone = zone(&account.time_zone).ok_or("its time zone is unknown")?;
        let with_waba = |(channel_id, settings): (ChannelId, ChannelSettings)| {
            let waba = settings.waba.as_ref().and_then(|waba| wabas.get(waba));
            let portfolio = waba.map_or_else(documents::default_portfolio, |waba: &Waba| {
                waba.settings.portfolio.clone()
            });
            let time_zone = waba.map_or_else(|| time_zone.clone(), |waba| waba.time_zone.clone());
            (channel_id, Arc::new(Channel { settings, time_zone, portfolio }))
        };
        let channels = channels.into_iter().map(with_waba).collect();
        let caps = account.caps.iter().map(FrequencyCap::rule).collect();
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

    /// The category of a template, `None` if the catalog has no such template; `language` as sends
    /// write it (`en_US`).
    pub fn template(&self, waba: &WabaId, name: &str, language: &str) -> Option<Category> {
        let templates = self.templates.get(waba)?;
        let mut key = String::with_capacity(name.len() + language.len() + 1);
        key.push_str(name);
        key.push('/');
        key.push_str(language);
        templates.get(&key).copied()
    }
}

/// What the documents read so far contain.
#[derive(Default)]
struct Read {
    account: Option<AccountSettings>,
    channels: Map<ChannelId, ChannelSettings>,
    wabas: Map<WabaId, Waba>,
    templates: Map<WabaId, Map<String, Category>>,
    keys: Map<KeyId, KeySettings>,
}

impl Read {
    fn add(&mut self, document: &Document) -> Result<(), String> {
        match document.kind {
            DocumentKind::Account => self.account = Some(body(document)?),
            DocumentKind::Channel => {
                self.channels.insert(id(document, &document.id)?, body(document)?);
            }
            DocumentKind::Waba => {
                let settings: WabaSettings = body(document)?;
                let time_zone =
                    zone(&settings.time_zone).ok_or_else(|| bad(document, &"unknown time zone"))?;
                self.wabas.insert(id(document, &document.id)?, Waba { settings, time_zone });
            }
            DocumentKind::Template => {
                let settings: TemplateSettings = body(document)?;
                let (waba, name) =
                    document.id.split_once('/').ok_or_else(|| bad(document, &"malformed id"))?;
                let templates = self.templates.entry(id(document, waba)?).or_default();
                templates.insert(name.to_owned(), settings.category);
            }
            DocumentKind::Key => {
                self.keys.insert(id(document, &document.id)?, body(document)?);
            }
        }
        Ok(())
    }
}

fn bad(document: &Document, error: &dyn Display) -> String {
    format!("{} {}: {error}", document.kind.as_str(), document.id)
}

fn body<T: DeserializeOwned>(document: &Document) -> Result<T, String> {
    serde_json::from_str(&document.body).map_err(|error| bad(document, &error))
}

fn id<T: FromStr<Err = IdError>>(document: &Document, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| bad(document, &error))
}

/// A time zone of the bundled IANA database; `None` if it has none of that name.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}
