//! What can be asked of the ledger: every write is one of these operations, gathered in batches of
//! one account.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::doubt::{DoubtReason, InDoubtPolicies};
use super::refusal::RefusalCode;
use super::retention::Retention;
use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::pricing::{Category, Country};
use crate::rejection::RejectionKind;

/// Operations of one account, decided in order and as one atomic step. The same writer's same
/// number gets the same verdicts.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The gateway process: a random number per start.
    pub writer: u64,
    /// Consecutive per writer and account, from 1.
    pub number: u64,
    /// The gateway's clock in Unix milliseconds; a batch that is over a minute off the ledger's
    /// clock is refused.
    pub clock_ms: i64,
    /// At most [`MAX_BATCH`] operations.
    pub operations: Vec<Operation>,
}

/// Operations in one batch at most.
pub const MAX_BATCH: usize = 64;

/// How far a gateway's clock may be from the ledger's, in milliseconds.
pub const MAX_CLOCK_SKEW_MS: i64 = 60_000;

/// A recipient as the ledger knows it: the first eight bytes of a keyed hash of its identity, never
/// the number.
pub type RecipientHash = [u8; 8];

/// Sixteen bytes of a keyed hash: of an idempotency key, or of a channel and body.
pub type Fingerprint = [u8; 16];

/// A day or a month of a time zone as the gateway computed it. The ledger corrects the index by one
/// if its own clock is on the other side of a boundary, so that a clock that is off by a
/// second books nothing on the wrong day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarSpan {
    /// Days since 1970-01-01, or year x 12 + month (from 0).
    pub index: i32,
    /// First millisecond of it.
    pub start_ms: i64,
    /// First millisecond after it.
    pub end_ms: i64,
}

impl CalendarSpan {
    /// The index that holds at `now_ms`, which is at most a neighbour's.
    pub const fn index_at(&self, now_ms: i64) -> i32 {
        if now_ms < self.start_ms {
            self.index.saturating_sub(1)
        } else if now_ms >= self.end_ms {
            self.index.saturating_add(1)
        } else {
            self.index
        }
    }
}

/// The messaging limit as it applies to one send: the portfolio whose window counts, and how many
/// unique recipients it may have in 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRule {
    /// The portfolio whose window counts.
    pub portfolio: PortfolioId,
    /// Unique recipients in a rolling 24 hours.
    pub limit: u32,
}

/// One frequency cap: at most `max` messages of these categories to one recipient in a rolling
/// window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapRule {
    /// Bit `1 << Category::index()` set for each category it counts.
    pub categories: u8,
    /// Messages allowed in the window.
    pub max: u32,
    /// Length of the window in seconds.
    pub window_s: u32,
}

impl CapRule {
    /// Does the rule count messages of this category?
    pub fn covers(&self, category: Category) -> bool {
        self.categories & 1u8.checked_shl(u32::from(category.index())).unwrap_or(0) != 0
    }
}

/// The first `limit` service messages of a channel's month are free; the ledger counts them and
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowanceRule {
    /// Free messages in the month.
    pub limit: u32,
    /// The month in the WABA's zone.
    pub month: CalendarSpan,
}

/// The campaign a send belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignUse {
    /// The campaign, unique in its account.
    pub id: CampaignId,
    /// Create it if it does not exist.
    pub auto_create: bool,
}

/// Everything one send is judged by. Made by the gateway from its snapshot of the account's
/// settings and the price book.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// The new hold's id.
    pub hold: HoldId,
    /// Version of the settings used; any other than the ledger's is refused as stale.
    pub settings_version: u64,
    /// The price holds before this Unix millisecond; past it the gateway must price again.
    /// `i64::MAX`: no end known.
    pub price_valid_until_ms: i64,
    /// Who pays; `None` on external channels, which are never charged nor stopped for money.
    pub wallet: Option<WalletId>,
    /// The campaign, if the send names one.
    pub campaign: Option<CampaignUse>,
    /// The channel that sends, for usage.
    pub channel: ChannelId,
    /// The recipient's country, for usage.
    pub country: Country,
    /// For usage and caps.
    pub category: Category,
    /// The price; zero for what is free.
    pub amount: Amount,
    /// If the price depends on a free allowance: within it the hold is zero.
    pub allowance: Option<AllowanceRule>,
    /// The recipient's identity, hashed.
    pub recipient: RecipientHash,
    /// The number as it was written, hashed, if that is not its identity. Looked up only: versions
    /// that knew no identities kept cap hits and campaigns' recipients under it.
    pub spelled: Option<RecipientHash>,
    /// The messaging limit; `None` if this send does not count.
    pub window: Option<WindowRule>,
    /// The account's frequency caps.
    pub caps: Arc<[CapRule]>,
    /// Channel and body, hashed.
    pub fingerprint: Fingerprint,
    /// The idempotency key, hashed.
    pub key: Option<Fingerprint>,
    /// The client has closed its sending side: the hold guards its body from the beginning.
    pub guarding: bool,
    /// The account only observes: no limit refuses, the verdict names the one that would have. What
    /// was made under other settings, or was made before, is answered as always.
    pub observe: bool,
    /// Seconds for which the answer to the same body, if it was accepted and nobody heard it, is
    /// repeated instead of sending again; a day at most.
    pub abandoned_replay_s: u32,
}

/// How long a reply that nobody heard is kept, in milliseconds.
pub const UNHEARD_KEPT_MS: i64 = 86_400_000;

/// Kept for one body at most: the newest of what nobody heard.
pub const UNHEARD_MAX: usize = 8;

/// Bytes of the longest message id that is kept with an answer nobody heard; Meta's have about 60.
pub const UNHEARD_ID_MAX: usize = 1024;

/// The answer to an accepted send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The hold it had.
    pub hold: HoldId,
    /// Channel and body, hashed.
    pub fingerprint: Fingerprint,
    /// What it cost.
    pub amount: Amount,
    /// Upstream's id for it.
    pub message_id: Arc<str>,
}

/// Why a hold is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Upstream said no, or something in front of it did.
    Refused(RefusalCode),
    /// It was proven that nothing was sent.
    NotSent,
    /// An operator decided it.
    Operator,
}

/// A new campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignPlan {
    /// The campaign, unique in its account.
    pub id: CampaignId,
    /// For people; may be empty.
    pub name: String,
    /// Who pays; `None`: the wallet of its first prepaid send.
    pub wallet: Option<WalletId>,
    /// Credits it may spend at most.
    pub budget: Option<Amount>,
    /// Remembers its recipients and sends to each once.
    pub dedupe_recipients: bool,
    /// Its sends are counted by the frequency caps but not refused.
    pub exempt_from_caps: bool,
}

/// Which settings a document holds; its id is unique within the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// The account's own settings (id `account`).
    Account,
    /// A channel, by phone number ID.
    Channel,
    /// A WABA.
    Waba,
    /// A template, `waba/name/language`.
    Template,
    /// A gateway key, by key id.
    Key,
}

impl DocumentKind {
    /// Stable name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Account => "account",
            DocumentKind::Channel => "channel",
            DocumentKind::Waba => "waba",
            DocumentKind::Template => "template",
            DocumentKind::Key => "key",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<DocumentKind> {
        [
            DocumentKind::Account,
            DocumentKind::Channel,
            DocumentKind::Waba,
            DocumentKind::Template,
            DocumentKind::Key,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}

/// One change of an account's state.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Decide about a send and hold its price.
    Reserve(Box<Reserve>),
    /// Upstream accepted: the hold becomes a charge.
    Settle {
        /// The hold, open or in doubt.
        hold: HoldId,
        /// Upstream's message id, for replays.
        message_id: Option<Arc<str>>,
        /// Today in the account's zone.
        day: CalendarSpan,
    },
    /// Nothing was sent: everything the reserve took is given back.
    Release {
        /// The hold, open or in doubt.
        hold: HoldId,
        /// What happened to the send; a refusal is counted by its code.
        reason: ReleaseReason,
    },
    /// The outcome is unknown.
    MarkInDoubt {
        /// The hold, open or in doubt.
        hold: HoldId,
        /// Why; kept with the hold until it is resolved.
        reason: DoubtReason,
    },
    /// The client hung up before the answer: the same body is not sent again while this hold is
    /// unresolved.
    Abandon {
        /// The hold, open or in doubt.
        hold: HoldId,
    },
    /// The client was gone before the answer, and its hold is settled already: the answer is kept
    /// for whoever repeats the send.
    KeepUnheard(Box<Answer>),
    /// Somebody has heard an answer that was kept.
    Hear {
        /// The hold of the accepted send.
        hold: HoldId,
        /// Its channel and body.
        fingerprint: Fingerprint,
    },
    /// Adds credits that were paid for, once per reference.
    TopUp {
        /// The wallet, which must exist unless this creates it.
        wallet: WalletId,
        /// Credits to add, above zero.
        amount: Amount,
        /// Unique per wallet: a repeat is recognised by it.
        reference: Arc<str>,
    },
    /// A manual entry by an operator.
    Adjust {
        /// The wallet, which must exist unless this creates it.
        wallet: WalletId,
        /// Credits to add, or below zero to take away; not zero.
        amount: Amount,
        /// Unique per wallet: a repeat is recognised by it.
        reference: Arc<str>,
        /// Shown on the statement.
        reason: Arc<str>,
    },
    /// Creates a wallet or changes its settings; `None` leaves a setting as it is (zero or empty on
    /// a new wallet).
    PutWallet {
        /// The wallet, which must exist unless this creates it.
        wallet: WalletId,
        /// Credits that may be spent beyond what was paid in.
        overdraft_limit: Option<Amount>,
        /// Available balances below which a low-balance event is due; at most [`MAX_THRESHOLDS`].
        low_balance_thresholds: Option<Vec<Amount>>,
    },
    /// Writes a settings document and raises the settings version.
    PutDocument {
        /// The kind of object the document describes.
        kind: DocumentKind,
        /// The object's id; for a template `waba/name/language`.
        id: Arc<str>,
        /// The settings as JSON.
        body: Arc<str>,
        /// Leave an existing document alone.
        only_if_absent: bool,
        /// What the document must be, as it is stored, for this to be made of it; `None` if that
        /// does not matter. If it is another, the verdict is that the settings are stale.
        replaces: Option<Arc<str>>,
    },
    /// Removes a settings document and raises the settings version.
    DeleteDocument {
        /// The kind of object the document describes.
        kind: DocumentKind,
        /// The object's id; for a template `waba/name/language`.
        id: Arc<str>,
        /// What the document must be, as it is stored, unless it is gone already; `None` if that
        /// does not matter. If it is another, the verdict is that the settings are stale.
        replaces: Option<Arc<str>>,
    },
    /// Creates a campaign.
    CreateCampaign(Box<CampaignPlan>),
    /// An operator (or a rule) stops a campaign.
    StopCampaign {
        /// The campaign's id.
        campaign: CampaignId,
        /// Why it stops; shown until a restart.
        reason: super::StopReason,
    },
    /// A person lets a stopped campaign run again.
    RestartCampaign {
        /// The campaign's id.
        campaign: CampaignId,
    },
    /// Ends a campaign for good.
    FinishCampaign {
        /// The campaign's id.
        campaign: CampaignId,
    },
    /// Adds rejections the gateway made without asking.
    CountRejections {
        /// The campaign whose sends were rejected.
        campaign: CampaignId,
        /// The rule that rejected them.
        rejection: RejectionKind,
        /// Rejections to add.
        count: u64,
    },
    /// Upstream's answer names a recipient otherwise than the send did: from now on they are one
    /// person.
    LearnAlias {
        /// What they are known as, each once; the first is the send's own.
        recipients: Box<[RecipientHash]>,
    },
    /// Ages holds: old open ones become in doubt, old in-doubt ones end by policy, at most
    /// [`SWEEP_LIMIT`] a call; and prunes some of what is past its retention.
    Sweep {
        /// Open holds older than this become in doubt, in milliseconds.
        open_age_ms: i64,
        /// In-doubt holds older than this (since they were made) are resolved, in milliseconds.
        in_doubt_age_ms: i64,
        /// What becomes of holds in doubt for too long, by why they are.
        policies: InDoubtPolicies,
        /// How long what is past is kept.
        retention: Retention,
        /// Today in the account's zone.
        day: CalendarSpan,
    },
}

impl Operation {
    /// Whether it creates the account if there is none.
    pub const fn creates_account(&self) -> bool {
        matches!(self, Operation::PutDocument { kind: DocumentKind::Account, .. })
    }

    /// Whether a store that is out of memory must not take it on. Ending holds, stopping and money
    /// coming in must never wait for memory; nor does what nobody waits for, such as a bounded
    /// alias, or it would be repeated for as long as memory is short.
    pub const fn needs_memory(&self) -> bool {
        matches!(
            self,
            Operation::Reserve(_)
                | Operation::PutDocument { .. }
                | Operation::PutWallet { .. }
                | Operation::CreateCampaign(_)
        )
    }
}

impl Batch {
    /// Whether any operation creates the account if there is none.
    pub fn creates_account(&self) -> bool {
        self.operations.iter().any(Operation::creates_account)
    }

    /// Whether any operation sweeps.
    pub fn sweeps(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::Sweep { .. }))
    }

    /// Whether any operation needs memory.
    pub fn needs_memory(&self) -> bool {
        self.operations.iter().any(Operation::needs_memory)
    }
}

/// Low-balance thresholds of one wallet at most.
pub const MAX_THRESHOLDS: usize = 16;

/// Holds one sweep handles at most; the rest is the next sweep's.
pub const SWEEP_LIMIT: usize = 64;
