//! What is past its retention goes a little with each sweep, the oldest day first.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeSet;

use super::expiry::SENT_KEPT_MS;
use crate::ids::CampaignId;
use crate::ledger::calendar::utc_day;
use crate::ledger::rejection::StopReason;
use crate::ledger::retention::Retention;
use crate::ledger::state::{AccountState, Pruned, Row};

/// Days of one kind that a sweep gets on with at most.
const DAYS: i64 = 16;

/// Events that go with a sweep at most.
const EVENTS: u64 = 1024;

/// Items of one kind that go with a sweep at most.
const ITEMS: usize = 64;

/// How many days a zone may be behind UTC, and a gateway's clock behind the ledger's.
const BEHIND: i64 = 2;

impl AccountState {
    /// Notes from which day on there can be anything, when an account begins.
    pub(super) fn begin_days(&mut self, now_ms: i64) {
        self.note(Row::Account);
        let first = utc_day(now_ms).saturating_sub(BEHIND);
        self.head.pruned = Pruned {
            usage: first,
            events: first,
            campaigns: first,
            references: first,
            first_event: 0,
        };
    }

    /// Prunes some of what is past; returns whether there is more.
    pub(super) fn prune(&mut self, retention: &Retention, now_ms: i64) -> bool {
        let today = utc_day(now_ms);
        let usage = self.prune_usage(retention.usage_days, today);
        let expired = self.sweep_expired(now_ms);
        let events = self.prune_events(retention.events_days, today);
        let campaigns = self.prune_campaigns(retention.campaign_days, today, now_ms);
        let references = self.prune_references(retention.reference_days, today);
        usage || expired || events || campaigns || references
    }

    /// Days of usage are over at once; their rows are dropped like what has expired.
    fn prune_usage(&mut self, kept_days: u32, today: i64) -> bool {
        let (first, end) = over(self.head.pruned.usage, kept_days, today);
        let until = end.min(first.saturating_add(DAYS));
        if first < until {
            self.note(Row::Account);
            self.head.pruned.usage = until;
        }
        until < end
    }

    fn prune_events(&mut self, kept_days: u32, today: i64) -> bool {
        let (begin, end) = over(self.head.pruned.events, kept_days, today);
        let (mut day, mut first) = (begin, self.head.pruned.first_event);
        let most = first.saturating_add(EVENTS);
        while day < end.min(begin.saturating_add(DAYS)) {
            if let Some(last) = self.event_days.get(&day).copied() {
                first = last.saturating_add(1).min(most);
                if first <= last {
                    break;
                }
                self.note(Row::EventDay(day));
                self.event_days.remove(&day);
            }
            day = day.saturating_add(1);
        }
        if first > self.head.pruned.first_event {
            self.drop_events(first);
        }
        if day > begin {
            self.note(Row::Account);
            self.head.pruned.events = day;
        }
        day < end
    }

    fn prune_campaigns(&mut self, kept_days: u32, today: i64, now_ms: i64) -> bool {
        let (begin, end) = over(self.head.pruned.campaigns, kept_days, today);
        let (mut day, mut left) = (begin, ITEMS);
        while left > 0 && day < end.min(begin.saturating_add(DAYS)) {
            match self.ages.first_campaign(day).cloned() {
                Some(id) => left = self.prune_campaign(&id, left, now_ms),
                None => day = day.saturating_add(1),
            }
        }
        if day > begin {
            self.note(Row::Account);
            self.head.pruned.campaigns = day;
        }
        day < end
    }

    fn prune_references(&mut self, kept_days: u32, today: i64) -> bool {
        let (begin, end) = over(self.head.pruned.references, kept_days, today);
        let (mut day, mut left) = (begin, ITEMS);
        while left > 0 && day < end.min(begin.saturating_add(DAYS)) {
            if let Some((wallet, reference)) = self.ages.first_reference(day).cloned() {
                self.drop_row(Row::Reference(wallet, reference));
                left = left.saturating_sub(1);
            } else {
                day = day.saturating_add(1);
            }
        }
        if day > begin {
            self.note(Row::Account);
            self.head.pruned.references = day;
        }
        day < end
    }

    /// Ends a campaign that nobody has used; returns how many more this sweep may look at.
    fn prune_campaign(&mut self, id: &CampaignId, left: usize, now_ms: i64) -> usize {
        let Some(campaign) = self.campaigns.get(id) else { return 0 };
        let recipients = self.sent.get(id).map_or(0, BTreeSet::len);
        match campaign.stopped {
            _ if campaign.used_day == 0 || !campaign.held.is_zero() => {}
            // Nobody is written to twice because a campaign was forgotten: it is finished first,
            // and its recipients are kept as long as always.
            Some((StopReason::Finished, since_ms)) if campaign.dedupe_recipients => {
                if since_ms.saturating_add(SENT_KEPT_MS) <= now_ms {
                    // Many recipients go first, in steps, as what has expired.
                    if recipients <= ITEMS {
                        self.drop_campaign(id);
                    }
                    return 0;
                }
            }
            _ if campaign.dedupe_recipients => {
                self.finish_campaign(id, now_ms);
                return 0;
            }
            _ => {
                self.drop_campaign(id);
                return left.saturating_sub(1);
            }
        }
        // It is looked at again when its days are over once more.
        self.campaign_mut(id);
        left.saturating_sub(1)
    }

    fn drop_campaign(&mut self, id: &CampaignId) {
        let sent = self.sent.get(id).into_iter().flatten();
        let mut rows: Vec<Row> = sent.map(|recipient| Row::Sent(id.clone(), *recipient)).collect();
        rows.push(Row::Campaign(id.clone()));
        rows.into_iter().for_each(|row| self.drop_row(row));
    }
}

/// The first day that is not pruned, and the first that is kept. An account of a version that
/// pruned nothing may have some as old as any that was ever kept.
fn over(first: i64, kept_days: u32, today: i64) -> (i64, i64) {
    let oldest = today.saturating_sub(i64::from(Retention::MAX_DAYS));
    (first.max(oldest), today.saturating_sub(i64::from(kept_days)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::ids::{CampaignId, WalletId};
    use crate::ledger::calendar::utc_day;
    use crate::ledger::entry::{Entry, EntryKind};
    use crate::ledger::retention::Retention;
    use crate::ledger::state::{AccountState, Campaign, Pruned};

    const NOW_MS: i64 = 1_792_051_200_000;
    const DAY_MS: i64 = 86_400_000;

    /// Sweeps until nothing is left; fails if that takes too long.
    fn prune_all(state: &mut AccountState, now_ms: i64) {
        let now_ms = state.advance(now_ms);
        for _ in 0..4_000 / super::DAYS + 2 {
            if !state.prune(&Retention::default(), now_ms) {
                return;
            }
        }
        panic!("there is always more: {:?}", state.head.pruned);
    }

    #[test]
    fn an_account_of_a_version_that_pruned_nothing_is_pruned() {
        let mut state = AccountState::default();
        state.advance(NOW_MS);
        let campaign: CampaignId = "diwali".parse().unwrap();
        let wallet: WalletId = "main".parse().unwrap();
        state.add_campaign(&campaign, Campaign::new(String::new()));
        // As such a version left it.
        state.ages.use_campaign(&campaign, utc_day(NOW_MS), 0);
        state.campaigns.get_mut(&campaign).unwrap().used_day = 0;
        let reference: Arc<str> = "pay/1".into();
        let entry = Entry {
            sequence: 1,
            at_ms: NOW_MS - 500 * DAY_MS,
            wallet: wallet.clone(),
            kind: EntryKind::TopUp,
            amount: crate::amount::Amount::ZERO,
            balance_after: crate::amount::Amount::ZERO,
            reference: reference.clone(),
            reason: "".into(),
            charge: None,
        };
        state.put_reference(&wallet, &reference, entry);
        assert_eq!(state.head.pruned, Pruned::default());
        prune_all(&mut state, NOW_MS);
        assert!(state.references.is_empty(), "it was over");
        // Nobody knows since when it is not used: it has its days from now on.
        prune_all(&mut state, NOW_MS + 400 * DAY_MS);
        assert!(state.campaigns.contains_key(&campaign));
        prune_all(&mut state, NOW_MS + 401 * DAY_MS);
        assert!(state.campaigns.is_empty());
    }
}
