//! One account's state under the rules, as plain data: what the embedded ledger keeps in memory and
//! the model the Redis scripts are compared with.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::doubt::DoubtReason;
use super::entry::Entry;
use super::event::Event;
use super::operation::{DocumentKind, Fingerprint, RecipientHash};
use super::refusal::RefusalCode;
use super::rejection::StopReason;
use super::view::{
    CampaignState, CampaignView, HoldState, HoldView, UsageRow, UsageSum, WalletView,
};
use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::pricing::{Category, Country};
use crate::rejection::RejectionKind;

/// A prepaid store of credits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub(super) settled: Amount,
    pub(super) held: Amount,
    pub(super) overdraft_limit: Amount,
    /// Raised by every exhaustion; campaigns run while theirs is the same.
    pub(super) epoch: u64,
    /// A campaign send was refused for money, and since then neither was anything paid in nor the
    /// overdraft limit raised.
    pub(super) exhausted: bool,
    pub(super) exhausted_since_ms: i64,
    /// The price refused last: a restart needs as much.
    pub(super) refused_price: Amount,
    pub(super) thresholds: Vec<Threshold>,
}

/// A low-balance threshold: fires once if available falls below it, and is armed again by money
/// coming in or by a change of the wallet's settings, never by a released hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    pub(super) below: Amount,
    pub(super) armed: bool,
}

impl Wallet {
    /// settled - held + overdraft limit. Each stays below 2^53, so the sum is exact.
    pub(super) fn available(&self) -> Amount {
        Amount::saturating_from_micros(
            self.settled
                .micros()
                .saturating_sub(self.held.micros())
                .saturating_add(self.overdraft_limit.micros()),
        )
    }

    /// What is missing for the price at which the wallet ran out.
    pub(super) fn shortfall(&self) -> Amount {
        let missing = self.refused_price.micros().saturating_sub(self.available().micros());
        Amount::saturating_from_micros(missing.max(0))
    }

    pub(super) fn view(&self, id: &WalletId) -> WalletView {
        WalletView {
            id: id.clone(),
            settled: self.settled,
            held: self.held,
            overdraft_limit: self.overdraft_limit,
            available: self.available(),
            exhausted: self.exhausted,
            low_balance_thresholds: self
                .thresholds
                .iter()
                .map(|threshold| threshold.below)
                .collect(),
        }
    }
}

/// A campaign as stored: whether it runs also hangs on its wallet's epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    pub(super) name: String,
    pub(super) wallet: Option<WalletId>,
    /// Why and since when the campaign itself is stopped. `None` does not mean it runs: the
    /// wallet's epoch may have stopped it.
    pub(super) stopped: Option<(StopReason, i64)>,
    pub(super) epoch: u64,
    pub(super) budget: Option<Amount>,
    pub(super) dedupe_recipients: bool,
    pub(super) exempt_from_caps: bool,
    pub(super) spent: Amount,
    pub(super) held: Amount,
    pub(super) accepted: u64,
    pub(super) unknown: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) refused: BTreeMap<RefusalCode, u64>,
    #[serde(with = "usage_pairs")]
    pub(super) usage: BTreeMap<(Country, Category), UsageSum>,
}

mod usage_pairs {
    //! JSON objects have text keys only, so the pairs are stored as a list.
    use super::{BTreeMap, Category, Country, UsageSum};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        usage: &BTreeMap<(Country, Category), UsageSum>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        usage.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<(Country, Category), UsageSum>, D::Error> {
        Ok(Vec::<((Country, Category), UsageSum)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// An unresolved hold: everything that settling or releasing it must change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub(super) state: HoldState,
    pub(super) amount: Amount,
    pub(super) wallet: Option<WalletId>,
    pub(super) campaign: Option<CampaignId>,
    pub(super) channel: ChannelId,
    pub(super) country: Country,
    pub(super) category: Category,
    pub(super) recipient: RecipientHash,
    pub(super) window: Option<PortfolioId>,
    /// The month whose free allowance it took.
    pub(super) allowance_month: Option<i32>,
    /// The second of its cap hit. Stored under its first name, so that a gateway of an older
    /// version reads the same store.
    #[serde(rename = "mark_s")]
    pub(super) cap_hit_s: Option<i64>,
    pub(super) deduped: bool,
    pub(super) key: Option<Fingerprint>,
    pub(super) fingerprint: Fingerprint,
    pub(super) guarding: bool,
    pub(super) reserved_ms: i64,
    /// Why it is in doubt; holds of an older version have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) doubt: Option<DoubtReason>,
}

impl Hold {
    pub(super) fn view(&self, id: HoldId) -> HoldView {
        HoldView {
            id,
            state: self.state,
            amount: self.amount,
            wallet: self.wallet.clone(),
            campaign: self.campaign.clone(),
            channel: self.channel.clone(),
            country: self.country,
            category: self.category,
            reserved_ms: self.reserved_ms,
            doubt: self.doubt,
        }
    }
}

/// What one recipient occupies of a messaging limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Minute of the last accepted send, 0 for none.
    pub(super) minute: i64,
    /// Open sends to the recipient.
    pub(super) open: u32,
}

/// One portfolio's rolling 24 hours. `closed` and `taken` are derived from `slots`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    pub(super) slots: HashMap<RecipientHash, Slot>,
    /// Recipients without an open send, by the minute of their last accepted one.
    pub(super) closed: BTreeMap<i64, HashSet<RecipientHash>>,
    pub(super) taken: u32,
}

/// Who else a recipient is, as upstream has named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Day since 1970 of the last reply that was written down.
    pub(super) day: i64,
    /// The person's other recipients; each has an alias of its own that names this one.
    pub(super) others: Vec<RecipientHash>,
}

/// A message that counts for frequency caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapHit {
    pub(super) at_s: i64,
    pub(super) category: Category,
}

/// What is remembered of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub(super) hold: HoldId,
    pub(super) fingerprint: Fingerprint,
    pub(super) amount: Amount,
    /// Half days since 1970 at the reserve; gone once two more have begun and ended.
    pub(super) half_day: i64,
    pub(super) outcome: KeyOutcome,
}

/// The answer to an accepted send whose client was gone before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    pub(super) hold: HoldId,
    pub(super) amount: Amount,
    pub(super) message_id: Arc<str>,
    /// When the send was settled.
    pub(super) at_ms: i64,
}

/// How the send of an idempotency key ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyOutcome {
    /// The send has no outcome yet.
    Open,
    /// The outcome is unknown, or the hold was settled without a message id.
    InDoubt,
    /// With this message id.
    Accepted(Arc<str>),
}

/// Key of a usage row: day, channel, country, category.
pub type UsageKey = (i32, ChannelId, Country, Category);

/// Names one stored row, so that an embedded ledger writes what changed and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// Clock, versions and sequence numbers.
    Account,
    /// A wallet.
    Wallet(WalletId),
    /// A campaign.
    Campaign(CampaignId),
    /// A hold.
    Hold(HoldId),
    /// A recipient in a window.
    Slot(PortfolioId, RecipientHash),
    /// A recipient's cap hits.
    CapHits(RecipientHash),
    /// A channel's free messages.
    Allowance(ChannelId),
    /// An idempotency key.
    Key(Fingerprint),
    /// What nobody heard about a body.
    Unheard(Fingerprint),
    /// A recipient a campaign has sent to.
    Sent(CampaignId, RecipientHash),
    /// What else a recipient is known as.
    Alias(RecipientHash),
    /// A usage row.
    Usage(UsageKey),
    /// The entry a reference made.
    Reference(WalletId, Arc<str>),
    /// A settings document.
    Document(DocumentKind, Arc<str>),
}

/// Clock, versions and sequence numbers of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The latest ledger time a batch had.
    pub(super) last_ms: i64,
    pub(super) settings_version: u64,
    pub(super) entry_sequence: u64,
    pub(super) event_sequence: u64,
    /// The half day in which expired records were last dropped.
    pub(super) tidied_half_day: i64,
}

/// One account. `changes` collects what the operations since the last
/// [`AccountState::take_changes`] did.
#[derive(Debug, Clone, Default)]
pub struct AccountState {
    pub(super) head: Head,
    pub(super) wallets: BTreeMap<WalletId, Wallet>,
    pub(super) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    pub(super) in_doubt: BTreeSet<HoldId>,
    pub(super) windows: HashMap<PortfolioId, Window>,
    pub(super) cap_hits: HashMap<RecipientHash, Vec<CapHit>>,
    /// Per channel: the month and the free messages taken in it.
    pub(super) allowances: BTreeMap<ChannelId, (i32, u32)>,
    pub(super) keys: HashMap<Fingerprint, KeyRecord>,
    pub(super) guards: HashMap<Fingerprint, Vec<HoldId>>,
    /// Oldest first.
    pub(super) unheard: HashMap<Fingerprint, Vec<Unheard>>,
    /// Derived from `unheard`.
    pub(super) unheard_by_age: BTreeSet<(i64, Fingerprint)>,
    pub(super) sent: HashMap<CampaignId, HashSet<RecipientHash>>,
    pub(super) aliases: BTreeMap<RecipientHash, Alias>,
    pub(super) usage: BTreeMap<UsageKey, UsageSum>,
    pub(super) references: HashMap<(WalletId, Arc<str>), Entry>,
    pub(super) documents: BTreeMap<(DocumentKind, Arc<str>), Arc<str>>,
    pub(super) changes: Changes,
}

/// What a run of operations changed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Rows to write (or delete, if they are gone).
    pub rows: BTreeSet<Row>,
    /// New statement entries.
    pub entries: Vec<Entry>,
    /// New events.
    pub events: Vec<Event>,
}

impl AccountState {
    /// Hands over what changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The latest ledger time, Unix milliseconds.
    pub fn last_ms(&self) -> i64 {
        self.head.last_ms
    }

    /// Raised by each settings change; 0 for an account that does not exist.
    pub fn settings_version(&self) -> u64 {
        self.head.settings_version
    }

    /// Settings documents, in order of kind and id.
    pub fn documents(&self) -> impl Iterator<Item = (&(DocumentKind, Arc<str>), &Arc<str>)> {
        self.documents.iter()
    }

    /// All wallets.
    pub fn wallet_views(&self) -> Vec<WalletView> {
        self.wallets.iter().map(|(id, wallet)| wallet.view(id)).collect()
    }

    /// A campaign's view.
    pub fn campaign_view(&self, id: &CampaignId) -> Option<CampaignView> {
        let campaign = self.campaigns.get(id)?;
        Some(CampaignView {
            id: id.clone(),
            name: campaign.name.clone(),
            wallet: campaign.wallet.clone(),
            state: self.campaign_state(campaign),
            budget: campaign.budget,
            dedupe_recipients: campaign.dedupe_recipients,
            exempt_from_caps: campaign.exempt_from_caps,
            spent: campaign.spent,
            held: campaign.held,
            accepted: campaign.accepted,
            unknown: campaign.unknown,
            rejected: campaign.rejected.clone(),
            refused: campaign.refused.clone(),
            usage: campaign.usage.clone(),
        })
    }

    /// Campaign ids after `after`, in order.
    pub fn campaign_ids_after<'a>(
        &'a self,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a CampaignId> {
        self.campaigns.keys().filter(move |id| after.is_none_or(|after| id.as_str() > after))
    }

    /// Whether a campaign runs, its wallet's epoch considered.
    pub(super) fn campaign_state(&self, campaign: &Campaign) -> CampaignState {
        if let Some((reason, since_ms)) = campaign.stopped {
            return match reason {
                StopReason::Finished => CampaignState::Finished { since_ms },
                _ => CampaignState::Stopped { reason, since_ms },
            };
        }
        let wallet = campaign.wallet.as_ref().and_then(|id| self.wallets.get(id));
        match wallet {
            Some(wallet) if wallet.epoch != campaign.epoch => CampaignState::Stopped {
                reason: StopReason::CreditsExhausted,
                since_ms: wallet.exhausted_since_ms,
            },
            _ => CampaignState::Active,
        }
    }

    /// Usage rows of the days `from_day..=to_day`.
    pub fn usage_rows(&self, from_day: i32, to_day: i32) -> Vec<UsageRow> {
        let in_range = |key: &UsageKey| key.0 >= from_day && key.0 <= to_day;
        let row = |(key, sum): (&UsageKey, &UsageSum)| UsageRow {
            day: key.0,
            channel: key.1.clone(),
            country: key.2,
            category: key.3,
            sum: *sum,
        };
        self.usage.iter().filter(|(key, _)| in_range(key)).map(row).collect()
    }

    /// How many holds are in doubt.
    pub fn holds_in_doubt(&self) -> u64 {
        u64::try_from(self.in_doubt.len()).unwrap_or(u64::MAX)
    }

    /// Unresolved holds after `after`, in order.
    pub fn hold_views_after(
        &self,
        state: Option<HoldState>,
        after: Option<HoldId>,
    ) -> impl Iterator<Item = HoldView> {
        let wanted = move |hold: &Hold| state.is_none_or(|state| hold.state == state);
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.holds
            .range((from, std::ops::Bound::Unbounded))
            .filter(move |(_, hold)| wanted(hold))
            .map(|(id, hold)| hold.view(*id))
    }

    /// One unresolved hold.
    pub fn hold_view(&self, id: HoldId) -> Option<HoldView> {
        self.holds.get(&id).map(|hold| hold.view(id))
    }

    /// Slots taken in a portfolio's window at `now_ms`.
    pub fn window_used(&self, portfolio: &PortfolioId, now_ms: i64) -> u32 {
        self.windows.get(portfolio).map_or(0, |window| window.used_at(now_ms))
    }

    pub(super) fn touch(&mut self, row: Row) {
        self.changes.rows.insert(row);
    }

    /// Counts a rejection on the campaign it concerns.
    pub(super) fn count_rejection(
        &mut self,
        campaign: Option<&CampaignId>,
        rejection: RejectionKind,
        count: u64,
    ) {
        let Some((id, campaign)) =
            campaign.and_then(|id| self.campaigns.get_mut(id).map(|campaign| (id, campaign)))
        else {
            return;
        };
        let counter = campaign.rejected.entry(rejection.name().to_owned()).or_default();
        *counter = counter.saturating_add(count);
        self.changes.rows.insert(Row::Campaign(id.clone()));
    }
}
