//! Remembers for a second which campaigns are stopped, so that their sends are refused without
//! asking the ledger each time.

use dashmap::mapref::entry::Entry;

use super::Rejection;
use crate::ids::{AccountId, CampaignId, SharedMap};

/// How long a refusal may be repeated without asking: a restart elsewhere is noticed this much
/// later.
const LEASE_MS: i64 = 1_000;

/// A campaign nobody sent for so long is forgotten; the ledger knows it all the same.
const FORGOTTEN_MS: i64 = 60_000;

/// A campaign on prepaid or on external channels; money stops only the first.
type Key = (AccountId, CampaignId, bool);

struct Stopped {
    rejection: Rejection,
    until_ms: i64,
}

/// Stopped campaigns and when to ask about them again.
#[derive(Default)]
pub struct StopLease {
    stopped: SharedMap<Key, Stopped>,
}

impl StopLease {
    /// The refusal, while the lease lasts. When it is over one caller gets `None` and asks the
    /// ledger; the others are refused for another second.
    pub fn refusal(
        &self,
        account: &AccountId,
        campaign: &CampaignId,
        prepaid: bool,
        at_ms: i64,
    ) -> Option<Rejection> {
        let mut stopped = self.stopped.get_mut(&(account.clone(), campaign.clone(), prepaid))?;
        if at_ms >= stopped.until_ms {
            stopped.until_ms = at_ms.saturating_add(LEASE_MS);
            return None;
        }
        Some(stopped.rejection.clone())
    }

    /// Takes note of the ledger's decision about a send of the campaign.
    pub fn note(
        &self,
        account: &AccountId,
        campaign: &CampaignId,
        prepaid: bool,
        rejection: Option<&Rejection>,
        at_ms: i64,
    ) {
        let key = (account.clone(), campaign.clone(), prepaid);
        match rejection.filter(|rejection| matches!(rejection, Rejection::CampaignStopped { .. })) {
            Some(rejection) => {
                let until_ms = at_ms.saturating_add(LEASE_MS);
                let stopped = Stopped { rejection: rejection.clone(), until_ms };
                match self.stopped.entry(key) {
                    Entry::Occupied(mut found) => drop(found.insert(stopped)),
                    Entry::Vacant(free) => drop(free.insert(stopped)),
                }
            }
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

    /// Drops leases that ended long ago.
    pub fn tidy(&self, at_ms: i64) {
        self.stopped.retain(|_, stopped| at_ms < stopped.until_ms.saturating_add(FORGOTTEN_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::{FORGOTTEN_MS, LEASE_MS, StopLease};
    use crate::ledger::{Rejection, StopReason};

    const STOPPED: Rejection = Rejection::CampaignStopped {
        reason: StopReason::CreditsExhausted,
        since_ms: 1,
        shortfall: None,
    };

    #[test]
    fn a_million_sends_of_a_stopped_campaign_ask_once_a_second() {
        let (leases, account) = (StopLease::default(), "acme".parse().unwrap());
        let campaign = "diwali".parse().unwrap();
        leases.note(&account, &campaign, true, Some(&STOPPED), 0);
        let mut asked = 0;
        for at_ms in (0..1_000_000).map(|number| number / 100) {
            if leases.refusal(&account, &campaign, true, at_ms).is_none() {
                asked += 1;
                leases.note(&account, &campaign, true, Some(&STOPPED), at_ms);
            }
        }
        assert_eq!((asked, leases.stopped.len()), (9, 1), "in ten seconds, the first one known");
    }

    #[test]
    fn campaigns_that_nobody_sends_are_forgotten() {
        let (leases, account) = (StopLease::default(), "acme".parse().unwrap());
        for number in 0..1_000 {
            let campaign = number.to_string().parse().unwrap();
            leases.note(&account, &campaign, true, Some(&STOPPED), 0);
        }
        leases.tidy(LEASE_MS + FORGOTTEN_MS - 1);
        assert_eq!(leases.stopped.len(), 1_000);
        leases.tidy(LEASE_MS + FORGOTTEN_MS);
        assert_eq!(leases.stopped.len(), 0);
    }
}
