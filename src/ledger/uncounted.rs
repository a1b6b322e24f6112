//! Sends of campaigns that this gateway refused without asking the ledger, until the ledger has
//! counted them: one operation for each campaign and rejection, however many there were.

use std::collections::HashMap;

use dashmap::DashMap;

use super::batcher::Batcher;
use super::operation::{MAX_BATCH, Operation};
use crate::ids::{AccountId, CampaignId};
use crate::rejection::RejectionKind;

/// Counts that may wait while the ledger does not answer; campaigns beyond it are not counted.
const ROOM: usize = 65_536;

type Key = (AccountId, CampaignId, RejectionKind);

/// What was refused here and is not posted to the ledger yet.
#[derive(Default)]
pub struct Uncounted(DashMap<Key, u64>);

impl Uncounted {
    /// Counts one refused send; the ledger leaves out campaigns that do not exist.
    pub fn add(&self, account: &AccountId, campaign: &CampaignId, rejection: RejectionKind) {
        let key = (account.clone(), campaign.clone(), rejection);
        if let Some(mut count) = self.0.get_mut(&key) {
            *count = count.saturating_add(1);
        } else if self.0.len() < ROOM {
            let mut count = self.0.entry(key).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    /// Posts the counts of one account, so that a campaign's counts are complete when they are
    /// read.
    pub fn flush(&self, batcher: &Batcher, account: &AccountId) {
        if batcher.is_down(account) {
            return;
        }
        for key in self.keys(|of| of == account) {
            self.post(batcher, key);
        }
    }

    /// Posts the counts of all accounts, a batch of each at most, so that whoever names campaigns
    /// without end does not fill the ledger with them; the others wait for the next time.
    pub fn flush_some(&self, batcher: &Batcher) {
        let mut posted: HashMap<AccountId, usize> = HashMap::new();
        // An account whose ledger does not answer waits: here its counts grow in number only.
        for key in self.keys(|account| !batcher.is_down(account)) {
            let posted = posted.entry(key.0.clone()).or_default();
            if *posted < MAX_BATCH {
                *posted = posted.saturating_add(1);
                self.post(batcher, key);
            }
        }
    }

    /// Posts everything, before the end.
    pub fn flush_all(&self, batcher: &Batcher) {
        for key in self.keys(|_| true) {
            self.post(batcher, key);
        }
    }

    fn keys(&self, wanted: impl Fn(&AccountId) -> bool) -> Vec<Key> {
        let keys = self.0.iter().filter(|entry| wanted(&entry.key().0));
        keys.map(|entry| entry.key().clone()).collect()
    }

    fn post(&self, batcher: &Batcher, key: Key) {
        // Taken out as a whole: what is refused from here on makes a new count.
        if let Some(((account, campaign, rejection), count)) = self.0.remove(&key) {
            batcher.post(&account, Operation::CountRejections { campaign, rejection, count });
        }
    }
}
