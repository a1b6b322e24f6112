//! What operations changed since it was last taken: with what every row was before, so that it can
//! be undone.

use foldhash::HashMap;

use super::rows::{Content, Row};
use super::{AccountState, Campaign, Hold, KeyRecord, Wallet};
use crate::ids::{CampaignId, HoldId, WalletId};
use crate::ledger::calendar::utc_day;
use crate::ledger::entry::Entry;
use crate::ledger::event::Event;
use crate::ledger::operation::Fingerprint;

/// Room for rows that is kept between groups at most.
const KEPT_ROOM: usize = 4096;

/// What a run of operations changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows that changed, or are gone, with what they were before.
    before: HashMap<Row, Option<Content>>,
    /// The ledger time before the first batch; it moves with batches that change no row.
    last_ms: Option<i64>,
    /// Guards of a body are in the order in which they came, which their holds do not tell.
    guards: HashMap<Fingerprint, Vec<HoldId>>,
    /// New statement entries.
    pub entries: Vec<Entry>,
    /// New events.
    pub events: Vec<Event>,
    /// Events before this number are gone.
    pub events_before: Option<u64>,
}

impl Changes {
    /// Whether no row has changed.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// Whether this row has changed.
    pub fn contains(&self, row: &Row) -> bool {
        self.before.contains_key(row)
    }

    /// Each row that changed, and whether it had been there before.
    pub fn rows(&self) -> impl Iterator<Item = (&Row, bool)> {
        self.before.iter().map(|(row, before)| (row, before.is_some()))
    }
}

impl AccountState {
    /// What changed since the last call of [`AccountState::take_changes`].
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Hands over what changed since the last call; it cannot be undone any more.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Forgets what changed, which cannot be undone any more, and keeps room for as much.
    pub fn forget_changes(&mut self) {
        if self.changes.before.capacity() > KEPT_ROOM {
            self.changes = Changes::default();
        }
        let Changes { before, last_ms, guards, entries, events, events_before } = &mut self.changes;
        (*last_ms, *events_before) = (None, None);
        before.clear();
        guards.clear();
        entries.clear();
        events.clear();
    }

    /// Makes everything as it was when changes were last taken.
    pub fn undo(&mut self) {
        let changes = self.take_changes();
        for (row, before) in changes.before {
            self.put(row, before);
        }
        for (body, holds) in changes.guards {
            if holds.is_empty() {
                self.guards.remove(&body);
            } else {
                self.guards.insert(body, holds);
            }
        }
        self.head.last_ms = changes.last_ms.unwrap_or(self.head.last_ms);
    }

    /// Moves the ledger's time, which never goes back; returns it.
    pub(in crate::ledger) fn advance(&mut self, store_ms: i64) -> i64 {
        self.changes.last_ms.get_or_insert(self.head.last_ms);
        self.head.last_ms = self.head.last_ms.max(store_ms);
        self.head.last_ms
    }

    /// Notes the ledger's time as a change of its own.
    pub(in crate::ledger) fn note_time(&mut self) {
        self.note(Row::Account);
    }

    /// Notes a row that is about to change, be made or go: always before it does.
    pub(in crate::ledger) fn note(&mut self, row: Row) {
        if !self.changes.before.contains_key(&row) {
            let before = self.content(&row);
            self.changes.before.insert(row, before);
        }
    }

    /// Appends a statement entry.
    pub(in crate::ledger) fn add_entry(&mut self, entry: Entry) {
        self.changes.entries.push(entry);
    }

    /// Appends an event.
    pub(in crate::ledger) fn add_event(&mut self, event: Event) {
        self.changes.events.push(event);
    }

    /// The events before this number are gone.
    pub(in crate::ledger) fn drop_events(&mut self, before: u64) {
        self.note(Row::Account);
        self.head.pruned.first_event = before;
        self.changes.events_before = Some(before);
    }

    /// Notes which holds guard a body, before that changes.
    pub(in crate::ledger) fn note_guards(&mut self, body: &Fingerprint) {
        if !self.changes.guards.contains_key(body) {
            let before = self.guards.get(body).cloned().unwrap_or_default();
            self.changes.guards.insert(*body, before);
        }
    }

    /// A wallet to change.
    pub(in crate::ledger) fn wallet_mut(&mut self, id: &WalletId) -> Option<&mut Wallet> {
        if !self.wallets.contains_key(id) {
            return None;
        }
        self.note(Row::Wallet(id.clone()));
        self.wallets.get_mut(id)
    }

    /// A campaign to change, which counts as used today.
    pub(in crate::ledger) fn campaign_mut(&mut self, id: &CampaignId) -> Option<&mut Campaign> {
        if !self.campaigns.contains_key(id) {
            return None;
        }
        self.note(Row::Campaign(id.clone()));
        let campaign = self.campaigns.get_mut(id)?;
        let today = utc_day(self.head.last_ms);
        if campaign.used_day != today {
            self.ages.use_campaign(id, campaign.used_day, today);
            campaign.used_day = today;
        }
        Some(campaign)
    }

    /// Adds a campaign that is not there yet.
    pub(in crate::ledger) fn add_campaign(&mut self, id: &CampaignId, campaign: Campaign) {
        self.note(Row::Campaign(id.clone()));
        self.campaigns.insert(id.clone(), campaign);
        self.campaign_mut(id);
    }

    /// A hold to change.
    pub(in crate::ledger) fn hold_mut(&mut self, id: HoldId) -> Option<&mut Hold> {
        if !self.holds.contains_key(&id) {
            return None;
        }
        self.note(Row::Hold(id));
        self.holds.get_mut(&id)
    }

    /// The record of an idempotency key to change, if it is this hold's.
    pub(in crate::ledger) fn key_mut(
        &mut self,
        key: &Fingerprint,
        hold: HoldId,
    ) -> Option<&mut KeyRecord> {
        if self.keys.get(key).is_none_or(|record| record.hold != hold) {
            return None;
        }
        self.note(Row::Key(*key));
        self.keys.get_mut(key)
    }
}
