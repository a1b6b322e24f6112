//! What reads of the ledger return.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::doubt::DoubtReason;
use super::operation::DocumentKind;
use super::refusal::RefusalCode;
use super::rejection::StopReason;
use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::pricing::{Category, Country};

/// A wallet as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletView {
    /// The wallet's id, unique in its account.
    pub id: WalletId,
    /// Sum of its statement entries.
    pub settled: Amount,
    /// Sum of its open and in-doubt holds.
    pub held: Amount,
    /// Credits that may be spent beyond what was paid in.
    pub overdraft_limit: Amount,
    /// settled - held + overdraft limit.
    pub available: Amount,
    /// A campaign send was refused for money and nothing was paid in since.
    pub exhausted: bool,
    /// Available balances below which an event is written.
    pub low_balance_thresholds: Vec<Amount>,
}

/// State of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// Its sends are decided one by one.
    Active,
    /// Its sends are refused until a restart.
    Stopped {
        /// Why its sends are refused.
        reason: StopReason,
        /// Since when, Unix milliseconds.
        since_ms: i64,
    },
    /// Its sends are refused for good.
    Finished {
        /// Since when, Unix milliseconds.
        since_ms: i64,
    },
}

/// Messages and credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageSum {
    /// Messages charged or settled free.
    pub messages: u64,
    /// Credits charged.
    pub credits: Amount,
}

/// A campaign as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignView {
    /// The campaign's id, unique in its account.
    pub id: CampaignId,
    /// A name for people; may be empty.
    pub name: String,
    /// Who pays; `None` before its first prepaid send.
    pub wallet: Option<WalletId>,
    /// Whether its sends are decided or refused.
    pub state: CampaignState,
    /// Credits it may spend.
    pub budget: Option<Amount>,
    /// Sends to each recipient once.
    pub dedupe_recipients: bool,
    /// Not refused by frequency caps.
    pub exempt_from_caps: bool,
    /// Credits charged.
    pub spent: Amount,
    /// Credits in open holds.
    pub held: Amount,
    /// Sends upstream accepted.
    pub accepted: u64,
    /// Sends whose outcome was unknown at first.
    pub unknown: u64,
    /// Our own rejections by name.
    pub rejected: BTreeMap<String, u64>,
    /// Upstream's refusals by who refused.
    pub refused: BTreeMap<RefusalCode, u64>,
    /// Messages and credits by country and category.
    pub usage: BTreeMap<(Country, Category), UsageSum>,
}

/// One row of usage: messages and credits of one day, channel, country and category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Days since 1970-01-01 in the account's zone.
    pub day: i32,
    /// The channel that sent.
    pub channel: ChannelId,
    /// The recipient's country.
    pub country: Country,
    /// The message's category.
    pub category: Category,
    /// Messages and credits.
    pub sum: UsageSum,
}

/// State of an unresolved hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The send has no outcome yet.
    Open,
    /// The outcome is unknown; evidence or the policy resolves it.
    InDoubt,
}

/// An unresolved hold as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// The hold's id; ids are in order of creation.
    pub id: HoldId,
    /// Open or in doubt.
    pub state: HoldState,
    /// Credits held; zero within a free allowance.
    pub amount: Amount,
    /// The wallet that pays; `None` on external channels.
    pub wallet: Option<WalletId>,
    /// The campaign of the send, if any.
    pub campaign: Option<CampaignId>,
    /// The channel that sent.
    pub channel: ChannelId,
    /// The recipient's country.
    pub country: Country,
    /// The message's category.
    pub category: Category,
    /// Since when, ledger time in Unix milliseconds.
    pub reserved_ms: i64,
    /// Why it is in doubt; `None` while it is open, and if an older version marked it.
    pub doubt: Option<DoubtReason>,
}

/// A settings document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The kind of object it describes.
    pub kind: DocumentKind,
    /// The object's id.
    pub id: Arc<str>,
    /// The settings as JSON.
    pub body: Arc<str>,
}

/// All settings of an account at one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documents {
    /// Raised by every change; 0 means the account does not exist.
    pub settings_version: u64,
    /// All of them, in order of kind and id.
    pub documents: Vec<Document>,
}
