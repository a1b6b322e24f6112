//! What will expire, oldest first: derived from rows, so that nobody has to look through all of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AccountState, Alias, CapHit, KeyRecord, Row, Window};
use crate::ids::{CampaignId, PortfolioId, WalletId};
use crate::ledger::calendar::utc_day;
use crate::ledger::entry::Entry;
use crate::ledger::operation::{Fingerprint, RecipientHash};
use crate::ledger::parts::{CAMPAIGN_PARTS, part_of};
use crate::ledger::rejection::StopReason;

/// Rows by age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Ages {
    /// By half day of the reserve.
    keys: BTreeSet<(i64, Fingerprint)>,
    /// By day of the newest hit.
    cap_hits: BTreeSet<(i64, RecipientHash)>,
    /// By day of the last confirmation.
    aliases: BTreeSet<(i64, RecipientHash)>,
    /// By the first minute from which recipients have closed slots.
    windows: BTreeSet<(i64, PortfolioId)>,
    /// By the day they were last used, and by part.
    campaigns: BTreeSet<(i64, u32, CampaignId)>,
    /// References by the day their entry was booked, and its number.
    references: BTreeMap<(i64, u64), (WalletId, Arc<str>)>,
    /// Finished campaigns that still know their recipients, by the time they were finished.
    finished: BTreeSet<(i64, CampaignId)>,
}

impl Ages {
    /// Idempotency keys as long as they are old.
    pub(in crate::ledger) fn keys(
        &self,
        is_old: impl Fn(&i64) -> bool,
    ) -> impl Iterator<Item = Row> {
        let old = self.keys.iter().take_while(move |(half_day, _)| is_old(half_day));
        old.map(|(_, key)| Row::Key(*key))
    }

    /// Cap hits of recipients as long as they are old.
    pub(in crate::ledger) fn cap_hits(
        &self,
        is_old: impl Fn(&i64) -> bool,
    ) -> impl Iterator<Item = Row> {
        let old = self.cap_hits.iter().take_while(move |(day, _)| is_old(day));
        old.map(|(_, recipient)| Row::CapHits(*recipient))
    }

    /// Aliases as long as they are old.
    pub(in crate::ledger) fn aliases(
        &self,
        is_old: impl Fn(&i64) -> bool,
    ) -> impl Iterator<Item = Row> {
        let old = self.aliases.iter().take_while(move |(day, _)| is_old(day));
        old.map(|(_, recipient)| Row::Alias(*recipient))
    }

    /// The portfolio with the oldest slots, if they are old.
    pub(in crate::ledger) fn first_window(
        &self,
        is_old: impl Fn(&i64) -> bool,
    ) -> Option<&PortfolioId> {
        self.windows.first().filter(|(minute, _)| is_old(minute)).map(|(_, id)| id)
    }

    /// A campaign that was last used on that day or before: of the first day and part, the first.
    pub(in crate::ledger) fn first_campaign(&self, day: i64) -> Option<&CampaignId> {
        self.campaigns.first().filter(|(used, ..)| *used <= day).map(|(.., id)| id)
    }

    /// The oldest reference, if its entry was booked on that day or before.
    pub(in crate::ledger) fn first_reference(&self, day: i64) -> Option<&(WalletId, Arc<str>)> {
        self.references.first_key_value().filter(|((of, _), _)| *of <= day).map(|(_, named)| named)
    }

    /// A campaign is used on another day than before.
    pub(in crate::ledger) fn use_campaign(&mut self, id: &CampaignId, before: i64, today: i64) {
        self.campaigns.remove(&aged(before, id));
        self.campaigns.insert(aged(today, id));
    }

    /// The campaign that was finished first and still knows its recipients, if that is long ago.
    pub(in crate::ledger) fn first_finished(
        &self,
        is_old: impl Fn(&i64) -> bool,
    ) -> Option<&CampaignId> {
        self.finished.first().filter(|(since_ms, _)| is_old(since_ms)).map(|(_, id)| id)
    }
}

/// A campaign's place in the order of use.
fn aged(day: i64, id: &CampaignId) -> (i64, u32, CampaignId) {
    (day, part_of(id.as_str(), CAMPAIGN_PARTS), id.clone())
}

/// The day of the newest hit.
fn newest_day(hits: &[CapHit]) -> Option<i64> {
    hits.iter().map(|hit| hit.at_s).max().map(|at_s| at_s.div_euclid(86_400))
}

impl AccountState {
    /// Puts the record of an idempotency key in place of the one it has.
    pub(in crate::ledger) fn put_key(&mut self, key: Fingerprint, record: KeyRecord) {
        let half_day = record.half_day;
        let before = self.keys.insert(key, record).map(|before| before.half_day);
        if before != Some(half_day) {
            before.map(|before| self.ages.keys.remove(&(before, key)));
            self.ages.keys.insert((half_day, key));
        }
    }

    pub(super) fn remove_key(&mut self, key: &Fingerprint) {
        if let Some(record) = self.keys.remove(key) {
            self.ages.keys.remove(&(record.half_day, *key));
        }
    }

    /// Changes a recipient's cap hits; without any it is forgotten.
    pub(in crate::ledger) fn change_cap_hits(
        &mut self,
        recipient: &RecipientHash,
        change: impl FnOnce(&mut Vec<CapHit>),
    ) {
        let hits = self.cap_hits.entry(*recipient).or_default();
        let before = newest_day(hits);
        change(hits);
        let after = newest_day(hits);
        if before != after {
            before.map(|day| self.ages.cap_hits.remove(&(day, *recipient)));
            after.map(|day| self.ages.cap_hits.insert((day, *recipient)));
        }
        if after.is_none() {
            self.cap_hits.remove(recipient);
        }
    }

    /// Changes a portfolio's window; without slots it is forgotten.
    pub(in crate::ledger) fn change_window(
        &mut self,
        portfolio: &PortfolioId,
        change: impl FnOnce(&mut Window),
    ) {
        let oldest = |window: &Window| window.closed.first_key_value().map(|(minute, _)| *minute);
        if !self.windows.contains_key(portfolio) {
            self.windows.insert(portfolio.clone(), Window::default());
        }
        let Some(window) = self.windows.get_mut(portfolio) else { return };
        let before = oldest(window);
        change(window);
        let after = oldest(window);
        if before != after {
            before.map(|minute| self.ages.windows.remove(&(minute, portfolio.clone())));
            after.map(|minute| self.ages.windows.insert((minute, portfolio.clone())));
        }
        if window.slots.is_empty() {
            self.windows.remove(portfolio);
        }
    }

    /// Puts an alias in place of the one the recipient has.
    pub(in crate::ledger) fn put_alias(&mut self, recipient: RecipientHash, alias: Alias) {
        self.remove_alias(&recipient);
        self.ages.aliases.insert((alias.day, recipient));
        self.aliases.insert(recipient, alias);
    }

    pub(super) fn remove_alias(&mut self, recipient: &RecipientHash) {
        if let Some(alias) = self.aliases.remove(recipient) {
            self.ages.aliases.remove(&(alias.day, *recipient));
        }
    }

    /// Puts the entry that a reference made in place of the one it has.
    pub(in crate::ledger) fn put_reference(
        &mut self,
        wallet: &WalletId,
        reference: &Arc<str>,
        entry: Entry,
    ) {
        self.remove_reference(wallet, reference);
        let named = (wallet.clone(), reference.clone());
        self.ages.references.insert((utc_day(entry.at_ms), entry.sequence), named.clone());
        self.references.insert(named, entry);
    }

    pub(super) fn remove_reference(&mut self, wallet: &WalletId, reference: &Arc<str>) {
        if let Some(entry) = self.references.remove(&(wallet.clone(), reference.clone())) {
            self.ages.references.remove(&(utc_day(entry.at_ms), entry.sequence));
        }
    }

    /// Notes when a campaign was used, or that it is about to go.
    pub(super) fn age_campaign(&mut self, id: &CampaignId, is_there: bool) {
        let Some(campaign) = self.campaigns.get(id) else { return };
        let aged = aged(campaign.used_day, id);
        if is_there {
            self.ages.campaigns.insert(aged);
        } else {
            self.ages.campaigns.remove(&aged);
        }
    }

    /// Notes when a campaign's recipients are to be forgotten, or that there are none any more.
    pub(in crate::ledger) fn age_recipients(&mut self, id: &CampaignId) {
        let stopped = self.campaigns.get(id).and_then(|campaign| campaign.stopped);
        let Some((StopReason::Finished, since_ms)) = stopped else { return };
        if self.sent.contains_key(id) {
            self.ages.finished.insert((since_ms, id.clone()));
        } else {
            self.ages.finished.remove(&(since_ms, id.clone()));
        }
    }
}
