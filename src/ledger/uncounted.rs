//! Sends of campaigns that this gateway refused without asking the ledger, until the ledger has
//! counted them: one operation for each campaign and rejection, however many there were.

use std::collections::HashMap;

use super::batcher::Batcher;
use super::operation::Operation;
use crate::ids::{AccountId, CampaignId, SharedMap};
use crate::rejection::RejectionKind;

/// Counts of one account that may wait; it takes an engine that names thousands of campaigns a
/// second, or a ledger that does not answer, to have more, and those are not counted.
const ROOM: usize = 4_096;

/// Counts of one account that are posted at one time.
const AT_ONCE: usize = 256;

/// The refused sends of one account.
type Counts = HashMap<(CampaignId, RejectionKind), u64>;

/// What was refused here and is not posted to the ledger yet.
#[derive(Default)]
pub struct Uncounted(SharedMap<AccountId, Counts>);

impl Uncounted {
    /// Counts one refused send; the ledger leaves out campaigns that do not exist.
    pub fn add(&self, account: &AccountId, campaign: &CampaignId, rejection: RejectionKind) {
        let mut counts = self.0.entry(account.clone()).or_default();
        let full = counts.len() >= ROOM;
        match counts.get_mut(&(campaign.clone(), rejection)) {
            Some(count) => *count = count.saturating_add(1),
            None if full => {}
            None => drop(counts.insert((campaign.clone(), rejection), 1)),
        }
    }

    /// Posts the counts of one account, so that a campaign's counts are complete when they are
    /// read.
    pub fn flush(&self, batcher: &Batcher, account: &AccountId) {
        if !batcher.is_down(account) {
            self.post(batcher, account, ROOM);
        }
    }

    /// Posts some counts of each account. While an account's ledger does not answer they wait here
    /// and grow in number only, not in operations.
    pub fn flush_some(&self, batcher: &Batcher) {
        for account in self.accounts() {
            if !batcher.is_down(&account) {
                self.post(batcher, &account, AT_ONCE);
            }
        }
    }

    /// Posts everything, before the end.
    pub fn flush_all(&self, batcher: &Batcher) {
        for account in self.accounts() {
            self.post(batcher, &account, ROOM);
        }
    }

    fn accounts(&self) -> Vec<AccountId> {
        self.0.iter().map(|counts| counts.key().clone()).collect()
    }

    fn post(&self, batcher: &Batcher, account: &AccountId, most: usize) {
        // Taken out as a whole: what is refused from here on makes a new count.
        let Some((_, counts)) = self.0.remove(account) else { return };
        let mut left = counts.into_iter();
        for ((campaign, rejection), count) in left.by_ref().take(most) {
            batcher.post(account, Operation::CountRejections { campaign, rejection, count });
        }
        if left.len() > 0 {
            let mut counts = self.0.entry(account.clone()).or_default();
            for (key, count) in left {
                let sum = counts.entry(key).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }
}
