//! Remembers for a second which campaigns are stopped, so that their sends are refused without
//! asking the ledger each time.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::batcher::Batcher;
use super::{Operation, Rejection};
use crate::ids::{AccountId, CampaignId};
use crate::rejection::RejectionKind;

/// How long a refusal may be repeated without asking: a restart elsewhere is noticed this much
/// later.
const LEASE_MS: i64 = 1_000;

/// A campaign on prepaid or on external channels; money stops only the first.
type Key = (AccountId, CampaignId, bool);

struct Stopped {
    rejection: Rejection,
    until_ms: i64,
    /// Refused here since the ledger counted last.
    uncounted: u64,
}

/// Stopped campaigns and when to ask about them again.
#[derive(Default)]
pub struct StopLease {
    stopped: DashMap<Key, Stopped>,
}

impl StopLease {
    /// The refusal, while the lease lasts. When it is over one caller gets `None` and asks the
    /// ledger; the others are refused for another second.
    pub fn refusal(
        &self,
        batcher: &Batcher,
        account: &AccountId,
        campaign: &CampaignId,
        prepaid: bool,
        now_ms: i64,
    ) -> Option<Rejection> {
        let mut stopped = self.stopped.get_mut(&(account.clone(), campaign.clone(), prepaid))?;
        if now_ms < stopped.until_ms {
            stopped.uncounted = stopped.uncounted.saturating_add(1);
            return Some(stopped.rejection.clone());
        }
        stopped.until_ms = now_ms.saturating_add(LEASE_MS);
        let count = std::mem::take(&mut stopped.uncounted);
        drop(stopped);
        post_count(batcher, account, campaign, count);
        None
    }

    /// Takes note of the ledger's decision about a send of the campaign.
    pub fn note(
        &self,
        account: &AccountId,
        campaign: &CampaignId,
        prepaid: bool,
        rejection: Option<&Rejection>,
        now_ms: i64,
    ) {
        let key = (account.clone(), campaign.clone(), prepaid);
        match rejection.filter(|rejection| matches!(rejection, Rejection::CampaignStopped { .. })) {
            Some(rejection) => match self.stopped.entry(key) {
                Entry::Occupied(mut found) => {
                    let stopped = found.get_mut();
                    stopped.rejection = rejection.clone();
                    stopped.until_ms = now_ms.saturating_add(LEASE_MS);
                }
                Entry::Vacant(free) => {
                    free.insert(Stopped {
                        rejection: rejection.clone(),
                        until_ms: now_ms.saturating_add(LEASE_MS),
                        uncounted: 0,
                    });
                }
            },
            None if self.stopped.is_empty() => {}
            None => drop(self.stopped.remove(&key)),
        }
    }

    /// Forgets a campaign that was restarted here, so that the ledger decides its next send.
    pub fn forget(&self, account: &AccountId, campaign: &CampaignId) {
        for prepaid in [true, false] {
            self.stopped.remove(&(account.clone(), campaign.clone(), prepaid));
        }
    }

    /// Posts to the ledger what was refused here, so that a campaign's counts are complete when
    /// they are read.
    pub fn flush(&self, batcher: &Batcher, account: &AccountId) {
        for mut entry in self
            .stopped
            .iter_mut()
            .filter(|entry| entry.key().0 == *account && entry.value().uncounted > 0)
        {
            let count = std::mem::take(&mut entry.value_mut().uncounted);
            post_count(batcher, account, &entry.key().1, count);
        }
    }
}

fn post_count(batcher: &Batcher, account: &AccountId, campaign: &CampaignId, count: u64) {
    if count > 0 {
        batcher.post(
            account,
            Operation::CountRejections {
                campaign: campaign.clone(),
                rejection: RejectionKind::CampaignStopped,
                count,
            },
        );
    }
}
