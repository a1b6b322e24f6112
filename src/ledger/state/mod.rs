//! One account's state under the rules, as plain data: what the embedded ledger keeps in memory and
//! the model the Redis scripts are compared with.

mod ages;
mod changes;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

pub(in crate::ledger) use ages::Ages;
pub use changes::Changes;
pub(in crate::ledger) use rows::Content;
pub use rows::Row;

use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::ledger::attention::{Attention, OldestHolds};
use crate::ledger::doubt::DoubtReason;
use crate::ledger::entry::Entry;
use crate::ledger::operation::{DocumentKind, Fingerprint, RecipientHash};
use crate::ledger::refusal::RefusalCode;
use crate::ledger::rejection::StopReason;
use crate::ledger::view::{
    CampaignState, CampaignView, HoldState, HoldView, UsageRow, UsageSum, WalletView,
};
use crate::pricing::{Category, Country};
use crate::rejection::RejectionKind;

/// A prepaid store of credits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub(in crate::ledger) settled: Amount,
    pub(in crate::ledger) held: Amount,
    pub(in crate::ledger) overdraft_limit: Amount,
    /// Raised by every exhaustion; campaigns run while theirs is the same.
    pub(in crate::ledger) epoch: u64,
    /// A campaign send was refused for money, and since then neither was anything paid in nor the
    /// overdraft limit raised.
    pub(in crate::ledger) exhausted: bool,
    pub(in crate::ledger) exhausted_since_ms: i64,
    /// The price refused last: a restart needs as much.
    pub(in crate::ledger) refused_price: Amount,
    pub(in crate::ledger) thresholds: Vec<Threshold>,
}

/// A low-balance threshold: fires once if available falls below it, and is armed again by money
/// coming in or by a change of the wallet's settings, never by a released hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    pub(in crate::ledger) below: Amount,
    pub(in crate::ledger) armed: bool,
}

impl Wallet {
    /// settled - held + overdraft limit. Each stays below 2^53, so the sum is exact.
    pub(in crate::ledger) fn available(&self) -> Amount {
        Amount::saturating_from_micros(
            self.settled
                .micros()
                .saturating_sub(self.held.micros())
                .saturating_add(self.overdraft_limit.micros()),
        )
    }

    /// What is missing for the price at which the wallet ran out.
    pub(in crate::ledger) fn shortfall(&self) -> Amount {
        let missing = self.refused_price.micros().saturating_sub(self.available().micros());
        Amount::saturating_from_micros(missing.max(0))
    }

    pub(in crate::ledger) fn view(&self, id: &WalletId) -> WalletView {
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
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) wallet: Option<WalletId>,
    /// Why and since when the campaign itself is stopped. `None` does not mean it runs: the
    /// wallet's epoch may have stopped it.
    pub(in crate::ledger) stopped: Option<(StopReason, i64)>,
    pub(in crate::ledger) epoch: u64,
    pub(in crate::ledger) budget: Option<Amount>,
    pub(in crate::ledger) dedupe_recipients: bool,
    pub(in crate::ledger) exempt_from_caps: bool,
    pub(in crate::ledger) spent: Amount,
    pub(in crate::ledger) held: Amount,
    pub(in crate::ledger) accepted: u64,
    pub(in crate::ledger) unknown: u64,
    pub(in crate::ledger) rejected: BTreeMap<String, u64>,
    pub(in crate::ledger) refused: BTreeMap<RefusalCode, u64>,
    #[serde(with = "usage_pairs")]
    pub(in crate::ledger) usage: BTreeMap<(Country, Category), UsageSum>,
    /// The day (UTC) it was last sent to or changed; zero if an earlier version did that.
    #[serde(default)]
    pub(in crate::ledger) used_day: i64,
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
    pub(in crate::ledger) state: HoldState,
    pub(in crate::ledger) amount: Amount,
    pub(in crate::ledger) wallet: Option<WalletId>,
    pub(in crate::ledger) campaign: Option<CampaignId>,
    pub(in crate::ledger) channel: ChannelId,
    pub(in crate::ledger) country: Country,
    pub(in crate::ledger) category: Category,
    pub(in crate::ledger) recipient: RecipientHash,
    pub(in crate::ledger) window: Option<PortfolioId>,
    /// The month whose free allowance it took.
    pub(in crate::ledger) allowance_month: Option<i32>,
    /// The second of its cap hit. Stored under its first name, so that a gateway of an older
    /// version reads the same store.
    #[serde(rename = "mark_s")]
    pub(in crate::ledger) cap_hit_s: Option<i64>,
    pub(in crate::ledger) deduped: bool,
    pub(in crate::ledger) key: Option<Fingerprint>,
    pub(in crate::ledger) fingerprint: Fingerprint,
    pub(in crate::ledger) guarding: bool,
    pub(in crate::ledger) reserved_ms: i64,
    /// Why it is in doubt; holds of an older version have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::ledger) doubt: Option<DoubtReason>,
}

impl Hold {
    pub(in crate::ledger) fn view(&self, id: HoldId) -> HoldView {
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
    pub(in crate::ledger) minute: i64,
    /// Open sends to the recipient.
    pub(in crate::ledger) open: u32,
}

/// One portfolio's rolling 24 hours. `closed` is derived from `slots`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    pub(in crate::ledger) slots: HashMap<RecipientHash, Slot>,
    /// Recipients without an open send, by the minute of their last accepted one.
    pub(in crate::ledger) closed: BTreeMap<i64, BTreeSet<RecipientHash>>,
}

/// Who else a recipient is, as upstream has named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Day since 1970 of the last reply that was written down.
    pub(in crate::ledger) day: i64,
    /// The person's other recipients; each has an alias of its own that names this one.
    pub(in crate::ledger) others: Vec<RecipientHash>,
}

/// A message that counts for frequency caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapHit {
    pub(in crate::ledger) at_s: i64,
    pub(in crate::ledger) category: Category,
}

/// What is remembered of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub(in crate::ledger) hold: HoldId,
    pub(in crate::ledger) fingerprint: Fingerprint,
    pub(in crate::ledger) amount: Amount,
    /// Half days since 1970 at the reserve; gone once two more have begun and ended.
    pub(in crate::ledger) half_day: i64,
    pub(in crate::ledger) outcome: KeyOutcome,
}

/// The answer to an accepted send whose client was gone before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    pub(in crate::ledger) hold: HoldId,
    pub(in crate::ledger) amount: Amount,
    pub(in crate::ledger) message_id: Arc<str>,
    /// When the send was settled.
    pub(in crate::ledger) at_ms: i64,
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

/// Clock, versions and sequence numbers of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The latest ledger time a batch had.
    pub(in crate::ledger) last_ms: i64,
    pub(in crate::ledger) settings_version: u64,
    pub(in crate::ledger) entry_sequence: u64,
    pub(in crate::ledger) event_sequence: u64,
    #[serde(default)]
    pub(in crate::ledger) pruned: Pruned,
}

/// What is past its retention and gone: by kind the first day that is not (days since 1970). Zero
/// in accounts of a version that pruned nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    pub(in crate::ledger) usage: i64,
    pub(in crate::ledger) events: i64,
    pub(in crate::ledger) campaigns: i64,
    pub(in crate::ledger) references: i64,
    /// The first event that is not gone; zero if none is.
    pub(in crate::ledger) first_event: u64,
}

/// One account. `changes` collects what the operations since the last
/// [`AccountState::take_changes`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountState {
    pub(in crate::ledger) head: Head,
    pub(in crate::ledger) wallets: BTreeMap<WalletId, Wallet>,
    pub(in crate::ledger) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(in crate::ledger) holds: BTreeMap<HoldId, Hold>,
    /// Derived from `holds`, as are those in doubt.
    pub(in crate::ledger) open: BTreeSet<HoldId>,
    pub(in crate::ledger) in_doubt: BTreeSet<HoldId>,
    pub(in crate::ledger) windows: BTreeMap<PortfolioId, Window>,
    pub(in crate::ledger) cap_hits: HashMap<RecipientHash, Vec<CapHit>>,
    /// Per channel: the month and the free messages taken in it.
    pub(in crate::ledger) allowances: BTreeMap<ChannelId, (i32, u32)>,
    pub(in crate::ledger) keys: HashMap<Fingerprint, KeyRecord>,
    pub(in crate::ledger) guards: HashMap<Fingerprint, Vec<HoldId>>,
    /// Oldest first.
    pub(in crate::ledger) unheard: HashMap<Fingerprint, Vec<Unheard>>,
    /// Derived from `unheard`.
    pub(in crate::ledger) unheard_by_age: BTreeSet<(i64, Fingerprint)>,
    pub(in crate::ledger) sent: HashMap<CampaignId, BTreeSet<RecipientHash>>,
    pub(in crate::ledger) aliases: BTreeMap<RecipientHash, Alias>,
    pub(in crate::ledger) usage: BTreeMap<UsageKey, UsageSum>,
    /// The last event of each day that has any; the events themselves are not kept here.
    pub(in crate::ledger) event_days: BTreeMap<i64, u64>,
    pub(in crate::ledger) references: HashMap<(WalletId, Arc<str>), Entry>,
    pub(in crate::ledger) documents: BTreeMap<(DocumentKind, Arc<str>), Arc<str>>,
    pub(in crate::ledger) ages: Ages,
    changes: Changes,
}

impl AccountState {
    /// The latest ledger time, Unix milliseconds.
    pub fn last_ms(&self) -> i64 {
        self.head.last_ms
    }

    /// The number of the first event that is kept, if earlier ones are gone.
    pub fn first_event(&self) -> u64 {
        self.head.pruned.first_event
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
    pub(in crate::ledger) fn campaign_state(&self, campaign: &Campaign) -> CampaignState {
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

    /// Usage rows of the days `from_day..=to_day`, as far as they are kept.
    pub fn usage_rows(&self, from_day: i32, to_day: i32) -> Vec<UsageRow> {
        let is_over =
            |key: &UsageKey| key.0 < from_day || i64::from(key.0) < self.head.pruned.usage;
        let row = |(key, sum): (&UsageKey, &UsageSum)| UsageRow {
            day: key.0,
            channel: key.1.clone(),
            country: key.2,
            category: key.3,
            sum: *sum,
        };
        // Mostly the newest days are asked for.
        let newest = self.usage.iter().rev().skip_while(|(key, _)| key.0 > to_day);
        let mut rows: Vec<UsageRow> =
            newest.take_while(|(key, _)| !is_over(key)).map(row).collect();
        rows.reverse();
        rows
    }

    /// How the account is; who swept it last is not known here.
    pub fn attention(&self) -> Attention {
        Attention {
            last_ms: self.head.last_ms,
            entries: self.head.entry_sequence,
            events: self.head.event_sequence,
            in_doubt: self.holds_in_doubt(),
            swept_ms: None,
        }
    }

    /// Since when the oldest holds wait.
    pub fn oldest_holds(&self) -> OldestHolds {
        let oldest = |ids: &BTreeSet<HoldId>| {
            let holds = ids.iter().take(OldestHolds::LOOKED_AT).filter_map(|id| self.holds.get(id));
            holds.map(|hold| hold.reserved_ms).min()
        };
        OldestHolds { open_ms: oldest(&self.open), in_doubt_ms: oldest(&self.in_doubt) }
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

    /// Counts a rejection on the campaign it concerns.
    pub(in crate::ledger) fn count_rejection(
        &mut self,
        campaign: Option<&CampaignId>,
        rejection: RejectionKind,
        count: u64,
    ) {
        let Some(campaign) = campaign.and_then(|id| self.campaign_mut(id)) else { return };
        let counter = campaign.rejected.entry(rejection.name().to_owned()).or_default();
        *counter = counter.saturating_add(count);
    }
}
