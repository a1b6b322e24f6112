//! How a hold ends: settled, released, or in doubt until evidence or a deadline decides.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::amount::Amount;
use crate::ids::HoldId;
use crate::ledger::Verdict;
use crate::ledger::doubt::{DoubtReason, InDoubtPolicies, InDoubtPolicy};
use crate::ledger::entry::{ChargeDetail, EntryKind};
use crate::ledger::event::EventKind;
use crate::ledger::operation::{CalendarSpan, MAX_CLOCK_SKEW_MS, ReleaseReason, SWEEP_LIMIT};
use crate::ledger::retention::Retention;
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
        self.note(Row::Usage(key.clone()));
        add_usage(self.usage.entry(key).or_default(), hold.amount);
        if let Some(campaign_id) = &hold.campaign
            && let Some(campaign) = self.campaign_mut(campaign_id)
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
        }
        if let Some(portfolio) = &hold.window {
            self.close_slot(portfolio, &hold.recipient, true, now_ms);
        }
        if let Some(key) = hold.key
            && let Some(record) = self.key_mut(&key, id)
        {
            // Without a message id there is no first answer to repeat: the key stays in doubt.
            record.outcome = message_id
                .map_or(KeyOutcome::InDoubt, |message_id| KeyOutcome::Accepted(message_id.clone()));
        }
        self.keep_unheard(id, &hold, message_id, now_ms);
        Verdict::Settled { amount: hold.amount }
    }

    pub(super) fn release(&mut self, id: HoldId, reason: ReleaseReason, now_ms: i64) -> Verdict {
        let Some(hold) = self.take_hold(id) else { return Verdict::NoHold };
        if let Some(wallet_id) = &hold.wallet
            && let Some(wallet) = self.wallet_mut(wallet_id)
        {
            wallet.held = Amount::saturating_from_micros(
                wallet.held.micros().saturating_sub(hold.amount.micros()),
            );
        }
        if let Some(campaign_id) = &hold.campaign
            && let Some(campaign) = self.campaign_mut(campaign_id)
        {
            campaign.held = Amount::saturating_from_micros(
                campaign.held.micros().saturating_sub(hold.amount.micros()),
            );
            if let ReleaseReason::Refused(code) = reason {
                let counter = campaign.refused.entry(code).or_default();
                *counter = counter.saturating_add(1);
            }
            if hold.deduped {
                self.note(Row::Sent(campaign_id.clone(), hold.recipient));
                self.remove_sent(campaign_id, &hold.recipient);
            }
        }
        if let Some(portfolio) = &hold.window {
            self.close_slot(portfolio, &hold.recipient, false, now_ms);
        }
        if let Some(at_s) = hold.cap_hit_s {
            self.remove_cap_hit(&hold.recipient, hold.category, at_s);
        }
        if let Some(month) = hold.allowance_month
            && self.allowances.get(&hold.channel).is_some_and(|(of, _)| *of == month)
        {
            self.note(Row::Allowance(hold.channel.clone()));
            if let Some((_, taken)) = self.allowances.get_mut(&hold.channel) {
                *taken = taken.saturating_sub(1);
            }
        }
        if let Some(key) = hold.key
            && self.keys.get(&key).is_some_and(|record| record.hold == id)
        {
            self.note(Row::Key(key));
            self.remove(&Row::Key(key));
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
        let Some(hold) = self.hold_mut(id) else { return Verdict::NoHold };
        hold.state = HoldState::InDoubt;
        hold.doubt = Some(reason);
        let (wallet, campaign, amount, key) =
            (hold.wallet.clone(), hold.campaign.clone(), hold.amount, hold.key);
        self.put_in_order(id, HoldState::InDoubt);
        if let Some(found) = campaign.as_ref().and_then(|campaign| self.campaign_mut(campaign)) {
            found.unknown = found.unknown.saturating_add(1);
        }
        if let Some(key) = key
            && let Some(record) = self.key_mut(&key, id)
        {
            record.outcome = KeyOutcome::InDoubt;
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
        let unreported = |hold: &Hold| hold.doubt == Some(DoubtReason::Unreported);
        if reason != DoubtReason::Unreported
            && self.holds.get(&id).is_some_and(unreported)
            && let Some(hold) = self.hold_mut(id)
        {
            hold.doubt = Some(reason);
        }
    }

    /// After a start nobody knows what became of the holds that were open: all become in doubt.
    pub fn doubt_open_holds(&mut self, now_ms: i64) {
        // Loading puts guards in order of their ids; the model, which loads nothing, must have the
        // same order.
        self.guards.values_mut().for_each(|holds| holds.sort_unstable());
        let open: Vec<HoldId> = self.open.iter().copied().collect();
        if open.is_empty() {
            return;
        }
        // Its events carry this time, and time never goes back.
        let now_ms = self.advance(now_ms);
        self.note(Row::Account);
        for id in open {
            self.mark_in_doubt(id, DoubtReason::Unreported, now_ms);
        }
    }

    pub(super) fn sweep(
        &mut self,
        open_age_ms: i64,
        in_doubt_age_ms: i64,
        policies: &InDoubtPolicies,
        retention: &Retention,
        day: CalendarSpan,
        now_ms: i64,
    ) -> Verdict {
        let stuck = self.overdue(&self.open, open_age_ms, SWEEP_LIMIT, now_ms);
        for id in stuck.iter().take(SWEEP_LIMIT) {
            self.mark_in_doubt(*id, DoubtReason::Unreported, now_ms);
        }
        let room = SWEEP_LIMIT.saturating_sub(stuck.len().min(SWEEP_LIMIT));
        let overdue = self.overdue(&self.in_doubt, in_doubt_age_ms, room, now_ms);
        for id in overdue.iter().take(room) {
            let doubt = self.holds.get(id).and_then(|hold| hold.doubt);
            match policies.of(doubt) {
                InDoubtPolicy::Charge => self.settle(*id, None, day, now_ms),
                InDoubtPolicy::Release => self.release(*id, ReleaseReason::Operator, now_ms),
            };
        }
        self.expire_unheard(now_ms);
        let unpruned = self.prune(retention, now_ms);
        Verdict::Swept {
            marked: u32::try_from(stuck.len().min(SWEEP_LIMIT)).unwrap_or(u32::MAX),
            resolved: u32::try_from(overdue.len().min(room)).unwrap_or(u32::MAX),
            more: stuck.len() > SWEEP_LIMIT || overdue.len() > room || unpruned,
        }
    }

    /// Those of the holds that are older than `age_ms`, oldest id first, one more than there is
    /// room for.
    fn overdue(
        &self,
        holds: &BTreeSet<HoldId>,
        age_ms: i64,
        room: usize,
        now_ms: i64,
    ) -> Vec<HoldId> {
        holds
            .iter()
            .take_while(|id| may_be_old(id, age_ms, now_ms))
            .filter(|id| self.holds.get(id).is_some_and(|hold| is_old(hold, age_ms, now_ms)))
            .copied()
            .take(room.saturating_add(1))
            .collect()
    }

    fn take_hold(&mut self, id: HoldId) -> Option<Hold> {
        let hold = self.holds.get(&id)?;
        if hold.guarding {
            let fingerprint = hold.fingerprint;
            self.note_guards(&fingerprint);
        }
        self.note(Row::Hold(id));
        self.remove_hold(id)
    }

    fn charge(&mut self, id: HoldId, hold: &Hold, now_ms: i64) {
        let Some(wallet_id) = &hold.wallet else { return };
        let Some(wallet) = self.wallet_mut(wallet_id) else { return };
        wallet.held = Amount::saturating_from_micros(
            wallet.held.micros().saturating_sub(hold.amount.micros()),
        );
        wallet.settled = Amount::saturating_from_micros(
            wallet.settled.micros().saturating_sub(hold.amount.micros()),
        );
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
