//! How a hold ends: settled, released, or in doubt until evidence or a deadline decides.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::amount::Amount;
use crate::ids::HoldId;
use crate::ledger::Verdict;
use crate::ledger::doubt::{DoubtReason, InDoubtPolicies, InDoubtPolicy};
use crate::ledger::entry::{ChargeDetail, EntryKind};
use crate::ledger::event::EventKind;
use crate::ledger::operation::{CalendarSpan, MAX_CLOCK_SKEW_MS, ReleaseReason, SWEEP_LIMIT};
use crate::ledger::state::{AccountState, Hold, KeyOutcome, Row};
use crate::ledger::view::{HoldState, UsageSum};

impl AccountState {
    pub(super) fn settle(
        &mut self,
        id: HoldId,
        message_id: Option<&Arc<str>>,
        day: CalendarSpan,
        now_ms: i64,
    ) -> Verdict {
        let Some(hold) = self.take_hold(id) else { return Verdict::NoHold };
        self.charge(id, &hold, now_ms);
        let key = (day.index_at(now_ms), hold.channel.clone(), hold.country, hold.category);
        add_usage(self.usage.entry(key.clone()).or_default(), hold.amount);
        self.touch(Row::Usage(key));
        if let Some(campaign_id) = &hold.campaign
            && let Some(campaign) = self.campaigns.get_mut(campaign_id)
        {
            campaign.held = Amount::saturating_from_micros(
                campaign.held.micros().saturating_sub(hold.amount.micros()),
            );
            campaign.spent = Amount::saturating_from_micros(
                campaign.spent.micros().saturating_add(hold.amount.micros()),
            );
            campaign.accepted = campaign.accepted.saturating_add(1);
            add_usage(
                campaign.usage.entry((hold.country, hold.category)).or_default(),
                hold.amount,
            );
            self.touch(Row::Campaign(campaign_id.clone()));
        }
        if let Some(portfolio) = &hold.window {
            self.close_slot(portfolio, &hold.recipient, true, now_ms);
        }
        if let Some(key) = hold.key
            && let Some(record) = self.keys.get_mut(&key).filter(|record| record.hold == id)
        {
            // Without a message id there is no first answer to repeat: the key stays in doubt.
            record.outcome = message_id
                .map_or(KeyOutcome::InDoubt, |message_id| KeyOutcome::Accepted(message_id.clone()));
            self.touch(Row::Key(key));
        }
        self.keep_unheard(id, &hold, message_id, now_ms);
        Verdict::Settled { amount: hold.amount }
    }

    pub(super) fn release(&mut self, id: HoldId, reason: ReleaseReason, now_ms: i64) -> Verdict {
        let Some(hold) = self.take_hold(id) else { return Verdict::NoHold };
        if let Some(wallet_id) = &hold.wallet
            && let Some(wallet) = self.wallets.get_mut(wallet_id)
        {
            wallet.held = Amount::saturating_from_micros(
                wallet.held.micros().saturating_sub(hold.amount.micros()),
            );
            self.touch(Row::Wallet(wallet_id.clone()));
        }
        if let Some(campaign_id) = &hold.campaign
            && let Some(campaign) = self.campaigns.get_mut(campaign_id)
        {
            campaign.held = Amount::saturating_from_micros(
                campaign.held.micros().saturating_sub(hold.amount.micros()),
            );
            if let ReleaseReason::Refused(code) = reason {
                let counter = campaign.refused.entry(code).or_default();
                *counter = counter.saturating_add(1);
            }
            self.touch(Row::Campaign(campaign_id.clone()));
            if hold.deduped
                && let Some(recipients) = self.sent.get_mut(campaign_id)
            {
                recipients.remove(&hold.recipient);
                self.touch(Row::Sent(campaign_id.clone(), hold.recipient));
            }
        }
        if let Some(portfolio) = &hold.window {
            self.close_slot(portfolio, &hold.recipient, false, now_ms);
        }
        if let Some(at_s) = hold.cap_hit_s {
            self.remove_cap_hit(&hold.recipient, hold.category, at_s);
        }
        if let Some(month) = hold.allowance_month
            && let Some((of, taken)) = self.allowances.get_mut(&hold.channel)
            && *of == month
        {
            *taken = taken.saturating_sub(1);
            self.touch(Row::Allowance(hold.channel.clone()));
        }
        if let Some(key) = hold.key
            && self.keys.get(&key).is_some_and(|record| record.hold == id)
        {
            self.keys.remove(&key);
            self.touch(Row::Key(key));
        }
        Verdict::Released { amount: hold.amount }
    }

    /// The verdict if the hold is resolved or in doubt already; `None` if it is open.
    fn check_open(&self, id: HoldId) -> Option<Verdict> {
        match self.holds.get(&id).map(|hold| hold.state) {
            None => Some(Verdict::NoHold),
            Some(HoldState::InDoubt) => Some(Verdict::Marked),
            Some(HoldState::Open) => None,
        }
    }

    pub(super) fn mark_in_doubt(
        &mut self,
        id: HoldId,
        reason: DoubtReason,
        now_ms: i64,
    ) -> Verdict {
        if let Some(verdict) = self.check_open(id) {
            self.name_doubt(id, reason);
            return verdict;
        }
        let Some(hold) = self.holds.get_mut(&id) else { return Verdict::NoHold };
        hold.state = HoldState::InDoubt;
        hold.doubt = Some(reason);
        let (wallet, campaign, amount, key) =
            (hold.wallet.clone(), hold.campaign.clone(), hold.amount, hold.key);
        self.in_doubt.insert(id);
        self.touch(Row::Hold(id));
        if let Some(found) = campaign.as_ref().and_then(|campaign| self.campaigns.get_mut(campaign))
        {
            found.unknown = found.unknown.saturating_add(1);
        }
        if let Some(campaign) = &campaign {
            self.touch(Row::Campaign(campaign.clone()));
        }
        if let Some(key) = key
            && let Some(record) = self.keys.get_mut(&key).filter(|record| record.hold == id)
        {
            record.outcome = KeyOutcome::InDoubt;
            self.touch(Row::Key(key));
        }
        self.event(EventKind::HoldInDoubt, now_ms, |event| {
            event.wallet = wallet;
            event.campaign = campaign;
            event.hold = Some(id);
            event.amount = Some(amount);
        });
        self.abandon(id)
    }

    /// A send that reports after the sweep gives up on it knows better why its outcome is unknown.
    fn name_doubt(&mut self, id: HoldId, reason: DoubtReason) {
        let Some(hold) = self.holds.get_mut(&id) else { return };
        if hold.doubt == Some(DoubtReason::Unreported) && reason != DoubtReason::Unreported {
            hold.doubt = Some(reason);
            self.touch(Row::Hold(id));
        }
    }

    /// After a start nobody knows what became of the holds that were open: all become in doubt.
    pub fn doubt_open_holds(&mut self, now_ms: i64) {
        let now_ms = now_ms.max(self.head.last_ms);
        // Loading puts guards in order of their ids; the model, which loads nothing, must have the
        // same order.
        self.guards.values_mut().for_each(|holds| holds.sort_unstable());
        let open: Vec<HoldId> = self
            .holds
            .iter()
            .filter(|(_, hold)| hold.state == HoldState::Open)
            .map(|(id, _)| *id)
            .collect();
        if !open.is_empty() {
            // Its events carry this time, and time never goes back.
            self.head.last_ms = now_ms;
            self.touch(Row::Account);
        }
        for id in open {
            self.mark_in_doubt(id, DoubtReason::Unreported, now_ms);
        }
    }

    pub(super) fn sweep(
        &mut self,
        open_age_ms: i64,
        in_doubt_age_ms: i64,
        policies: &InDoubtPolicies,
        day: CalendarSpan,
        now_ms: i64,
    ) -> Verdict {
        let stuck = self.stuck_holds(open_age_ms, now_ms);
        for id in stuck.iter().take(SWEEP_LIMIT) {
            self.mark_in_doubt(*id, DoubtReason::Unreported, now_ms);
        }
        let room = SWEEP_LIMIT.saturating_sub(stuck.len().min(SWEEP_LIMIT));
        let overdue = self.overdue_holds(in_doubt_age_ms, room, now_ms);
        for id in overdue.iter().take(room) {
            let doubt = self.holds.get(id).and_then(|hold| hold.doubt);
            match policies.of(doubt) {
                InDoubtPolicy::Charge => self.settle(*id, None, day, now_ms),
                InDoubtPolicy::Release => self.release(*id, ReleaseReason::Operator, now_ms),
            };
        }
        self.expire_unheard(now_ms);
        Verdict::Swept {
            marked: u32::try_from(stuck.len().min(SWEEP_LIMIT)).unwrap_or(u32::MAX),
            resolved: u32::try_from(overdue.len().min(room)).unwrap_or(u32::MAX),
            more: stuck.len() > SWEEP_LIMIT || overdue.len() > room,
        }
    }

    /// Open holds older than `age_ms`, oldest id first, one more than a sweep handles.
    fn stuck_holds(&self, age_ms: i64, now_ms: i64) -> Vec<HoldId> {
        self.holds
            .iter()
            .take_while(|(id, _)| may_be_old(id, age_ms, now_ms))
            .filter(|(_, hold)| hold.state == HoldState::Open && is_old(hold, age_ms, now_ms))
            .map(|(id, _)| *id)
            .take(SWEEP_LIMIT.saturating_add(1))
            .collect()
    }

    /// Holds in doubt older than `age_ms`, oldest id first, one more than there is room for.
    fn overdue_holds(&self, age_ms: i64, room: usize, now_ms: i64) -> Vec<HoldId> {
        self.in_doubt
            .iter()
            .take_while(|id| may_be_old(id, age_ms, now_ms))
            .filter(|id| self.holds.get(id).is_some_and(|hold| is_old(hold, age_ms, now_ms)))
            .copied()
            .take(room.saturating_add(1))
            .collect()
    }

    fn take_hold(&mut self, id: HoldId) -> Option<Hold> {
        let hold = self.holds.remove(&id)?;
        self.in_doubt.remove(&id);
        self.touch(Row::Hold(id));
        self.unguard(id, &hold);
        Some(hold)
    }

    fn charge(&mut self, id: HoldId, hold: &Hold, now_ms: i64) {
        let Some(wallet_id) = &hold.wallet else { return };
        let Some(wallet) = self.wallets.get_mut(wallet_id) else { return };
        wallet.held = Amount::saturating_from_micros(
            wallet.held.micros().saturating_sub(hold.amount.micros()),
        );
        wallet.settled = Amount::saturating_from_micros(
            wallet.settled.micros().saturating_sub(hold.amount.micros()),
        );
        self.touch(Row::Wallet(wallet_id.clone()));
        if hold.amount.is_zero() {
            return;
        }
        let detail = ChargeDetail {
            hold: id,
            channel: hold.channel.clone(),
            campaign: hold.campaign.clone(),
            country: hold.country,
            category: hold.category,
        };
        self.entry(wallet_id, EntryKind::Charge, hold.amount.negated(), now_ms, |entry| {
            entry.charge = Some(detail)
        });
    }
}

/// An id carries its gateway's clock, which may be off, so a young hold may come before an old one.
fn may_be_old(id: &HoldId, age_ms: i64, now_ms: i64) -> bool {
    id.created_ms().saturating_add(age_ms) <= now_ms.saturating_add(MAX_CLOCK_SKEW_MS)
}

/// The age by the ledger's own clock.
const fn is_old(hold: &Hold, age_ms: i64, now_ms: i64) -> bool {
    hold.reserved_ms.saturating_add(age_ms) <= now_ms
}

fn add_usage(sum: &mut UsageSum, credits: Amount) {
    sum.messages = sum.messages.saturating_add(1);
    sum.credits =
        Amount::saturating_from_micros(sum.credits.micros().saturating_add(credits.micros()));
}
