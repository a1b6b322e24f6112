//! What the ledger answers: verdicts on operations, its rejections with their numbers, and the
//! views that reads return.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::operation::DocumentKind;
use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::pricing::{Category, Country};
use crate::rejection::RejectionKind;

/// The answer to one operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The send may be forwarded.
    Reserved {
        /// What is held: the price, or zero within a free allowance.
        amount: Amount,
        /// The wallet's available balance after it; `None` on external channels.
        available: Option<Amount>,
    },
    /// The send is not to be forwarded.
    Rejected(Rejection),
    /// The idempotency key was accepted before: the first answer again.
    Replayed {
        /// The first send's hold.
        hold: HoldId,
        /// Its message id.
        message_id: Arc<str>,
        /// What it cost.
        amount: Amount,
    },
    /// The gateway's settings are not the ledger's: load them and ask again.
    StaleSettings,
    /// A price switched while the send was on its way: price it again.
    StalePrice,
    /// Charged.
    Settled {
        /// What was charged.
        amount: Amount,
    },
    /// Given back.
    Released {
        /// What had been held.
        amount: Amount,
    },
    /// Marked.
    Marked,
    /// There is no such open hold: it was resolved before, or never was.
    NoHold,
    /// Money moved, or had moved under the same reference.
    Posted {
        /// The entry that moved it.
        entry: Entry,
        /// The same reference and content had been posted before.
        repeated: bool,
    },
    /// The reference was used for something else.
    ReferenceConflict,
    /// No such wallet.
    WalletUnknown,
    /// A wallet would leave the range that can be computed exactly.
    OutOfRange,
    /// Not enough credits for an adjustment, a lower overdraft limit or a restart.
    Shortfall {
        /// What would have to be available.
        needed: Amount,
        /// What is.
        available: Amount,
    },
    /// The wallet as it now is.
    Wallet(WalletView),
    /// The campaign as it now is.
    Campaign(Box<CampaignView>),
    /// A campaign of that id exists, with other content.
    CampaignExists,
    /// No such campaign.
    CampaignUnknown,
    /// The campaign is finished.
    CampaignFinished,
    /// New campaigns of this wallet wait for credits.
    WalletExhausted,
    /// A settings document was written or removed (`changed`), or already stood there.
    Document {
        /// Did anything change?
        changed: bool,
        /// The settings version now.
        settings_version: u64,
    },
    /// A count was added.
    Counted,
    /// What a sweep did.
    Swept {
        /// Holds newly in doubt.
        marked: u32,
        /// In-doubt holds resolved by policy.
        resolved: u32,
        /// More is left for the next sweep.
        more: bool,
    },
}

/// Why the ledger refuses a send, with the numbers a person needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The campaign does not run.
    CampaignStopped {
        /// Why.
        reason: StopReason,
        /// Since when, Unix milliseconds.
        since_ms: i64,
    },
    /// The campaign does not exist, or pays from another wallet.
    CampaignUnknown,
    /// The key was used with another body.
    IdempotencyConflict,
    /// The key's first send is still on its way.
    IdempotencyInFlight,
    /// A send with this key or body has an unknown outcome.
    OutcomeUnknown {
        /// Whose outcome is unknown.
        hold: HoldId,
    },
    /// The campaign has sent to this recipient.
    AlreadySent,
    /// The recipient had enough messages.
    FrequencyCapped {
        /// The rule's maximum.
        max: u32,
        /// The rule's window in seconds.
        window_s: u32,
        /// Seconds until a further message is possible.
        retry_after_s: i64,
    },
    /// The portfolio has no place left for another unique recipient.
    MessagingLimitReached {
        /// The limit.
        limit: u32,
        /// Places taken.
        used: u32,
        /// Seconds until a place frees at the latest known minute; `None` while all places are held
        /// by open sends.
        retry_after_s: Option<i64>,
    },
    /// Not enough credits.
    InsufficientBalance {
        /// The price.
        needed: Amount,
        /// What is available.
        available: Amount,
    },
}

impl Rejection {
    /// The rule, which has the contract name that engines switch on.
    pub const fn kind(&self) -> RejectionKind {
        match self {
            Rejection::CampaignStopped { .. } => RejectionKind::CampaignStopped,
            Rejection::CampaignUnknown => RejectionKind::CampaignUnknown,
            Rejection::IdempotencyConflict => RejectionKind::IdempotencyConflict,
            Rejection::IdempotencyInFlight => RejectionKind::IdempotencyInFlight,
            Rejection::OutcomeUnknown { .. } => RejectionKind::OutcomeUnknown,
            Rejection::AlreadySent => RejectionKind::AlreadySent,
            Rejection::FrequencyCapped { .. } => RejectionKind::FrequencyCapped,
            Rejection::MessagingLimitReached { .. } => RejectionKind::MessagingLimitReached,
            Rejection::InsufficientBalance { .. } => RejectionKind::InsufficientBalance,
        }
    }

    /// The contract name.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}

/// Why a campaign does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A send was refused for money.
    CreditsExhausted,
    /// Its own budget is spent.
    BudgetSpent,
    /// A person stopped it.
    Operator,
    /// Meta rates the number RED.
    QualityRed,
    /// Meta could not collect from the provider (131042).
    UpstreamPaymentProblem,
    /// Too many sends fail.
    ErrorRate,
    /// It was finished.
    Finished,
}

impl StopReason {
    /// All reasons, for reading stored names.
    pub const ALL: [StopReason; 7] = [
        StopReason::CreditsExhausted,
        StopReason::BudgetSpent,
        StopReason::Operator,
        StopReason::QualityRed,
        StopReason::UpstreamPaymentProblem,
        StopReason::ErrorRate,
        StopReason::Finished,
    ];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            StopReason::CreditsExhausted => "credits_exhausted",
            StopReason::BudgetSpent => "budget_spent",
            StopReason::Operator => "operator",
            StopReason::QualityRed => "quality_red",
            StopReason::UpstreamPaymentProblem => "upstream_payment_problem",
            StopReason::ErrorRate => "error_rate",
            StopReason::Finished => "finished",
        }
    }
}

/// A wallet as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletView {
    /// Its id.
    pub id: WalletId,
    /// Sum of its statement entries.
    pub settled: Amount,
    /// Sum of its open and in-doubt holds.
    pub held: Amount,
    /// How far below zero settled - held may go.
    pub overdraft_limit: Amount,
    /// settled - held + overdraft limit.
    pub available: Amount,
    /// A campaign send was refused for money and nothing was paid in since.
    pub exhausted: bool,
    /// Where low-balance events are due.
    pub low_balance_thresholds: Vec<Amount>,
}

/// State of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// Its sends are judged.
    Active,
    /// Its sends are refused until a restart.
    Stopped {
        /// Why.
        reason: StopReason,
        /// Since when, Unix milliseconds.
        since_ms: i64,
    },
    /// Over for good.
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
    /// Its id.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// Who pays; `None` before its first prepaid send.
    pub wallet: Option<WalletId>,
    /// Whether it runs.
    pub state: CampaignState,
    /// Credits it may spend.
    pub budget: Option<Amount>,
    /// Remembers its recipients.
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
    /// Upstream's refusals by Graph code.
    pub refused: BTreeMap<i64, u64>,
    /// What it used.
    pub usage: BTreeMap<(Country, Category), UsageSum>,
}

/// One row of usage: messages and credits of one day, channel, country and category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Days since 1970-01-01 in the account's zone.
    pub day: i32,
    /// The sending number.
    pub channel: ChannelId,
    /// Where to.
    pub country: Country,
    /// What kind.
    pub category: Category,
    /// How much.
    pub sum: UsageSum,
}

/// What moved the settled balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Credits paid in.
    TopUp,
    /// A message.
    Charge,
    /// An operator's entry.
    Adjustment,
}

impl EntryKind {
    /// All kinds, for reading stored names.
    pub const ALL: [EntryKind; 3] = [EntryKind::TopUp, EntryKind::Charge, EntryKind::Adjustment];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryKind::TopUp => "top_up",
            EntryKind::Charge => "charge",
            EntryKind::Adjustment => "adjustment",
        }
    }
}

/// One line of a wallet's statement; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number within the account, from 1, without gaps.
    pub sequence: u64,
    /// Ledger time, Unix milliseconds.
    pub at_ms: i64,
    /// Whose statement.
    pub wallet: WalletId,
    /// What it is.
    pub kind: EntryKind,
    /// Signed: what it adds to settled.
    pub amount: Amount,
    /// Settled after it.
    pub balance_after: Amount,
    /// The reference of a top-up or adjustment; empty on charges.
    pub reference: Arc<str>,
    /// The reason of an adjustment; empty otherwise.
    pub reason: Arc<str>,
    /// What a charge was for.
    pub charge: Option<ChargeDetail>,
}

/// What a charge was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeDetail {
    /// The hold it settled.
    pub hold: HoldId,
    /// The sending number.
    pub channel: ChannelId,
    /// The campaign, if any.
    pub campaign: Option<CampaignId>,
    /// Where to.
    pub country: Country,
    /// What kind.
    pub category: Category,
}

/// What an operator may want to know at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A campaign send was refused for money; every campaign of the wallet stops.
    WalletExhausted,
    /// A campaign stopped for another reason.
    CampaignStopped,
    /// A person restarted a campaign.
    CampaignRestarted,
    /// Available fell below a threshold.
    LowBalance,
    /// A send's outcome is unknown.
    HoldInDoubt,
}

impl EventKind {
    /// All kinds, for reading stored names.
    pub const ALL: [EventKind; 5] = [
        EventKind::WalletExhausted,
        EventKind::CampaignStopped,
        EventKind::CampaignRestarted,
        EventKind::LowBalance,
        EventKind::HoldInDoubt,
    ];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::WalletExhausted => "wallet_exhausted",
            EventKind::CampaignStopped => "campaign_stopped",
            EventKind::CampaignRestarted => "campaign_restarted",
            EventKind::LowBalance => "low_balance",
            EventKind::HoldInDoubt => "hold_in_doubt",
        }
    }
}

/// One event. Fields that do not belong to its kind are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Number within the account, from 1, without gaps.
    pub sequence: u64,
    /// Ledger time, Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub kind: EventKind,
    /// The wallet.
    pub wallet: Option<WalletId>,
    /// The campaign: the one that stopped, or whose send met the empty wallet.
    pub campaign: Option<CampaignId>,
    /// The hold in doubt.
    pub hold: Option<HoldId>,
    /// The refused price, the threshold, or what is held.
    pub amount: Option<Amount>,
    /// The available balance at that moment.
    pub available: Option<Amount>,
    /// Why a campaign stopped.
    pub reason: Option<StopReason>,
}

/// Where an unresolved hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// On its way.
    Open,
    /// Outcome unknown.
    InDoubt,
}

/// An unresolved hold as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Its id.
    pub id: HoldId,
    /// Where it stands.
    pub state: HoldState,
    /// What is held.
    pub amount: Amount,
    /// Who pays.
    pub wallet: Option<WalletId>,
    /// For which campaign.
    pub campaign: Option<CampaignId>,
    /// The sending number.
    pub channel: ChannelId,
    /// Where to.
    pub country: Country,
    /// What kind.
    pub category: Category,
    /// Since when, ledger time in Unix milliseconds.
    pub reserved_ms: i64,
}

/// A settings document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it holds.
    pub kind: DocumentKind,
    /// Which one.
    pub id: Arc<str>,
    /// JSON text.
    pub body: Arc<str>,
}

/// All settings of an account at one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documents {
    /// Raised by every change; 0 means the account does not exist.
    pub settings_version: u64,
    /// Every document.
    pub documents: Vec<Document>,
}
