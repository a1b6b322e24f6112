//! Reserve: every limit is checked, in the documented order, before anything is written. `check_*`
//! functions change nothing; what a refusal writes is in [`AccountState::record_refusal`] alone.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use super::alias::Person;
use super::{half_day, key_is_kept};
use crate::amount::Amount;
use crate::ids::{CampaignId, HoldId};
use crate::ledger::Verdict;
use crate::ledger::event::EventKind;
use crate::ledger::operation::{AllowanceRule, RecipientHash, Reserve};
use crate::ledger::rejection::{Rejection, StopReason};
use crate::ledger::state::{AccountState, Campaign, Hold, KeyOutcome, KeyRecord, Row};
use crate::ledger::view::HoldState;
use crate::rejection::RejectionKind;

/// What an admitted send holds.
struct Admission<'r> {
    /// The price, or zero within a free allowance.
    amount: Amount,
    /// The month whose free allowance it takes.
    free_month: Option<i32>,
    /// The recipient it is written under: one of the person's.
    recipient: RecipientHash,
    /// The campaign it counts on.
    campaign: Option<&'r CampaignId>,
    /// The first limit that would have refused it.
    observed: Option<RejectionKind>,
}

/// The limits of one send: they refuse it, or only note what they would have done.
struct Limits {
    observe: bool,
    observed: Option<RejectionKind>,
}

impl Limits {
    /// A limit's own no to what is only observed is noted, and the send goes on.
    fn hold(&mut self, checked: Result<(), Refusal>) -> Result<(), Refusal> {
        match checked {
            Err(refusal) if self.observe => {
                self.observed = self.observed.or(refusal.rejection());
                Ok(())
            }
            checked => checked,
        }
    }
}

/// Why a send is not admitted.
enum Refusal {
    /// A price below zero; like the next four no rejection by a rule, so nothing is recorded.
    OutOfRange,
    /// Made under other settings.
    StaleSettings,
    /// Made under a price that holds no more.
    StalePrice,
    /// The wallet does not exist.
    WalletUnknown,
    /// The idempotency key was accepted before, or the body was and nobody heard the answer.
    Replayed { hold: HoldId, message_id: Arc<str>, amount: Amount },
    /// Rejected; counted on the campaign.
    Rejected(Rejection),
    /// The first send above the campaign's budget: stops this campaign.
    BudgetSpent,
    /// The first campaign send refused for money: stops all campaigns of the wallet.
    Exhausted { price: Amount, available: Amount },
}

impl Refusal {
    /// The rule that refuses; `None` if it is no rule.
    const fn rejection(&self) -> Option<RejectionKind> {
        match self {
            Refusal::Rejected(rejection) => Some(rejection.kind()),
            Refusal::BudgetSpent => Some(RejectionKind::CampaignStopped),
            Refusal::Exhausted { .. } => Some(RejectionKind::InsufficientBalance),
            _ => None,
        }
    }
}

impl AccountState {
    pub(super) fn reserve(&mut self, request: &Reserve, now_ms: i64) -> Verdict {
        let person = self.person(&request.recipient, now_ms);
        let mut limits = Limits { observe: request.observe, observed: None };
        if let Err(refusal) = self.check_send(request, &person, &mut limits, now_ms) {
            return self.record_refusal(request, refusal, now_ms);
        }
        match self.check_limits(request, &person, limits, now_ms) {
            Ok(admission) => self.apply_reserve(request, &admission, now_ms),
            Err(refusal) => self.record_refusal(request, refusal, now_ms),
        }
    }

    /// What comes before the messaging limit, in the documented order.
    fn check_send(
        &self,
        request: &Reserve,
        person: &Person,
        limits: &mut Limits,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        // Before identities were known, what was sent is kept under the number as written.
        let person = &person.with(request.spelled);
        self.check_terms(request, now_ms)?;
        limits.hold(self.check_campaign(request).map_err(Refusal::Rejected))?;
        self.check_repetition(request, now_ms)?;
        limits.hold(self.check_sent(request, person).map_err(Refusal::Rejected))?;
        let campaign = request.campaign.as_ref().and_then(|named| self.campaigns.get(&named.id));
        if campaign.is_some_and(|campaign| campaign.exempt_from_caps) {
            return Ok(());
        }
        let caps = self.check_caps(&request.caps, person, request.category, now_ms);
        limits.hold(caps.map_err(Refusal::Rejected))
    }

    /// The messaging limit and money.
    fn check_limits<'r>(
        &self,
        request: &'r Reserve,
        person: &Person,
        mut limits: Limits,
        now_ms: i64,
    ) -> Result<Admission<'r>, Refusal> {
        let mut recipient = request.recipient;
        if let Some(rule) = &request.window {
            recipient = self.slot_holder(&rule.portfolio, person, now_ms);
            let slot = self.check_slot(rule, &recipient, now_ms);
            limits.hold(slot.map_err(Refusal::Rejected))?;
        }
        let free_month = self.free_month(request, now_ms);
        let amount = if free_month.is_some() { Amount::ZERO } else { request.amount };
        let campaign = request.campaign.as_ref().map(|campaign| &campaign.id);
        limits.hold(self.check_budget(campaign, amount))?;
        limits.hold(self.check_balance(request, amount))?;
        let campaign = campaign.filter(|_| self.campaign_takes(request));
        Ok(Admission { amount, free_month, recipient, campaign, observed: limits.observed })
    }

    /// Whether the send counts on the campaign it names: not on one that is not there, nor on one
    /// that is paid from another wallet.
    fn campaign_takes(&self, request: &Reserve) -> bool {
        request.campaign.as_ref().is_some_and(|named| match self.campaigns.get(&named.id) {
            None => named.auto_create,
            Some(found) => match (&request.wallet, &found.wallet) {
                (Some(payer), Some(own)) => payer == own,
                _ => true,
            },
        })
    }

    /// Whether the request was made under the settings and prices of now.
    fn check_terms(&self, request: &Reserve, now_ms: i64) -> Result<(), Refusal> {
        if request.amount.is_negative() {
            // A hold of less than nothing would make credits.
            return Err(Refusal::OutOfRange);
        }
        if request.settings_version != self.head.settings_version {
            return Err(Refusal::StaleSettings);
        }
        if now_ms >= request.price_valid_until_ms {
            return Err(Refusal::StalePrice);
        }
        if request.wallet.as_ref().is_some_and(|wallet| !self.wallets.contains_key(wallet)) {
            return Err(Refusal::WalletUnknown);
        }
        Ok(())
    }

    fn check_campaign(&self, request: &Reserve) -> Result<(), Rejection> {
        let Some(named) = &request.campaign else { return Ok(()) };
        let Some(campaign) = self.campaigns.get(&named.id) else {
            return if named.auto_create { Ok(()) } else { Err(Rejection::CampaignUnknown) };
        };
        if let Some((reason, since_ms)) = campaign.stopped
            && (request.wallet.is_some() || stops_external(reason))
        {
            return Err(Rejection::CampaignStopped { reason, since_ms, shortfall: None });
        }
        if !self.campaign_takes(request) {
            return Err(Rejection::CampaignUnknown);
        }
        let (Some(payer), Some(_)) = (&request.wallet, &campaign.wallet) else { return Ok(()) };
        match self.wallets.get(payer) {
            Some(wallet) if wallet.epoch != campaign.epoch => Err(Rejection::CampaignStopped {
                reason: StopReason::CreditsExhausted,
                since_ms: wallet.exhausted_since_ms,
                shortfall: Some(wallet.shortfall()),
            }),
            _ => Ok(()),
        }
    }

    /// Whether this send was made before, by key or by a body nobody waits for any more.
    fn check_repetition(&self, request: &Reserve, now_ms: i64) -> Result<(), Refusal> {
        if let Some(key) = request.key {
            let kept = |record: &&KeyRecord| key_is_kept(record.half_day, now_ms);
            if let Some(record) = self.keys.get(&key).filter(kept) {
                return Err(repeated(record, request));
            }
        } else if let Some(hold) =
            self.guards.get(&request.fingerprint).and_then(|holds| holds.first())
        {
            return Err(Refusal::Rejected(Rejection::OutcomeUnknown { hold: *hold }));
        } else if let Some(answer) = self.unheard(request, now_ms) {
            let (hold, amount) = (answer.hold, answer.amount);
            return Err(Refusal::Replayed { hold, message_id: answer.message_id.clone(), amount });
        }
        Ok(())
    }

    /// Whether its campaign, which writes to each person once, has written to this one.
    fn check_sent(&self, request: &Reserve, person: &Person) -> Result<(), Rejection> {
        let dedupes =
            |id: &CampaignId| self.campaigns.get(id).is_some_and(|found| found.dedupe_recipients);
        let campaign = request.campaign.as_ref().map(|named| &named.id).filter(|id| dedupes(id));
        let sent = campaign
            .and_then(|id| self.sent.get(id))
            .is_some_and(|sent| person.recipients().any(|recipient| sent.contains(recipient)));
        if sent { Err(Rejection::AlreadySent) } else { Ok(()) }
    }

    /// The month whose free allowance this send takes, if any is left.
    fn free_month(&self, request: &Reserve, now_ms: i64) -> Option<i32> {
        let AllowanceRule { limit, month } = request.allowance?;
        let month = month.index_at(now_ms);
        let taken = self
            .allowances
            .get(&request.channel)
            .filter(|(of, _)| *of == month)
            .map_or(0, |(_, taken)| *taken);
        (taken < limit).then_some(month)
    }

    fn check_budget(&self, campaign: Option<&CampaignId>, amount: Amount) -> Result<(), Refusal> {
        let Some(found) = campaign.and_then(|id| self.campaigns.get(id)) else { return Ok(()) };
        let after = found
            .spent
            .micros()
            .saturating_add(found.held.micros())
            .saturating_add(amount.micros());
        if !amount.is_positive() || found.budget.is_none_or(|budget| after <= budget.micros()) {
            return Ok(());
        }
        Err(Refusal::BudgetSpent)
    }

    fn check_balance(&self, request: &Reserve, amount: Amount) -> Result<(), Refusal> {
        let Some(wallet) = request.wallet.as_ref().and_then(|id| self.wallets.get(id)) else {
            return Ok(());
        };
        let available = wallet.available();
        let named = request.campaign.as_ref().map(|named| &named.id);
        // A campaign that no prepaid send has bound to this wallet yet begins when there are
        // credits again.
        let begins = named.is_some_and(|id| {
            self.campaigns.get(id).is_none_or(|campaign| campaign.wallet.is_none())
        });
        if wallet.exhausted && begins {
            let rejection = Rejection::InsufficientBalance {
                needed: amount,
                available,
                ran_out_at: Some(wallet.refused_price),
            };
            return Err(Refusal::Rejected(rejection));
        }
        if !amount.is_positive() || available >= amount {
            return Ok(());
        }
        if named.is_some() {
            return Err(Refusal::Exhausted { price: amount, available });
        }
        Err(Refusal::Rejected(Rejection::InsufficientBalance {
            needed: amount,
            available,
            ran_out_at: None,
        }))
    }

    /// Everything a refused send writes: a stop with its event, and the campaign's counter.
    fn record_refusal(&mut self, request: &Reserve, refusal: Refusal, now_ms: i64) -> Verdict {
        let rejection = match refusal {
            Refusal::OutOfRange => return Verdict::OutOfRange,
            Refusal::StaleSettings => return Verdict::StaleSettings,
            Refusal::StalePrice => return Verdict::StalePrice,
            Refusal::WalletUnknown => return Verdict::WalletUnknown,
            Refusal::Replayed { hold, message_id, amount } => {
                return Verdict::Replayed { hold, message_id, amount };
            }
            Refusal::Rejected(rejection) => rejection,
            Refusal::BudgetSpent => {
                self.stop_for_budget(request, now_ms);
                let reason = StopReason::BudgetSpent;
                Rejection::CampaignStopped { reason, since_ms: now_ms, shortfall: None }
            }
            Refusal::Exhausted { price, available } => {
                self.exhaust(request, price, now_ms);
                Rejection::InsufficientBalance { needed: price, available, ran_out_at: None }
            }
        };
        let campaign = request.campaign.as_ref().map(|campaign| &campaign.id);
        self.count_rejection(campaign, rejection.kind(), 1);
        Verdict::Rejected(rejection)
    }

    fn stop_for_budget(&mut self, request: &Reserve, now_ms: i64) {
        let Some(id) = request.campaign.as_ref().map(|campaign| &campaign.id) else { return };
        let Some(found) = self.campaign_mut(id) else { return };
        found.stopped = Some((StopReason::BudgetSpent, now_ms));
        let (wallet, budget) = (found.wallet.clone(), found.budget);
        self.event(EventKind::CampaignStopped, now_ms, |event| {
            event.wallet = wallet;
            event.campaign = Some(id.clone());
            event.amount = budget;
            event.reason = Some(StopReason::BudgetSpent);
        });
    }

    /// All campaigns of the wallet stop in this one step, with one event.
    fn exhaust(&mut self, request: &Reserve, price: Amount, now_ms: i64) {
        let (Some(wallet_id), Some(named)) = (&request.wallet, &request.campaign) else { return };
        let campaign = &named.id;
        let Some(wallet) = self.wallet_mut(wallet_id) else { return };
        let epoch_before = wallet.epoch;
        wallet.epoch = wallet.epoch.saturating_add(1);
        wallet.exhausted = true;
        wallet.exhausted_since_ms = now_ms;
        wallet.refused_price = price;
        let available = wallet.available();
        if let Some(found) = self.campaign_mut(campaign).filter(|found| found.wallet.is_none()) {
            found.wallet = Some(wallet_id.clone());
            found.epoch = epoch_before;
        }
        self.event(EventKind::WalletExhausted, now_ms, |event| {
            event.wallet = Some(wallet_id.clone());
            event.campaign = Some(campaign.clone());
            event.amount = Some(price);
            event.available = Some(available);
        });
    }

    /// Writes what an admitted send holds; nothing may be refused any more.
    fn apply_reserve(
        &mut self,
        request: &Reserve,
        admission: &Admission<'_>,
        now_ms: i64,
    ) -> Verdict {
        let Admission { amount, free_month, recipient, campaign, observed } = *admission;
        let deduped = self.enter_campaign(request, campaign, &recipient, amount);
        let mut available = None;
        if let Some(wallet_id) = &request.wallet
            && let Some(wallet) = self.wallet_mut(wallet_id)
        {
            wallet.held = Amount::saturating_from_micros(
                wallet.held.micros().saturating_add(amount.micros()),
            );
            available = Some(wallet.available());
            self.warn_when_low(wallet_id, now_ms);
        }
        if let Some(rule) = &request.window {
            self.open_slot(&rule.portfolio, &recipient, now_ms);
        }
        let cap_hit_s = self.add_cap_hit(&request.caps, &recipient, request.category, now_ms);
        if let Some(month) = free_month {
            self.note(Row::Allowance(request.channel.clone()));
            let taken = self.allowances.entry(request.channel.clone()).or_insert((month, 0));
            *taken = (month, if taken.0 == month { taken.1.saturating_add(1) } else { 1 });
        }
        if let Some(key) = request.key {
            let record = KeyRecord {
                hold: request.hold,
                fingerprint: request.fingerprint,
                amount,
                half_day: half_day(now_ms),
                outcome: KeyOutcome::Open,
            };
            self.note(Row::Key(key));
            self.put_key(key, record);
        }
        let hold = Hold {
            state: HoldState::Open,
            amount,
            wallet: request.wallet.clone(),
            campaign: campaign.cloned(),
            channel: request.channel.clone(),
            country: request.country,
            category: request.category,
            recipient,
            window: request.window.as_ref().map(|rule| rule.portfolio.clone()),
            allowance_month: free_month,
            cap_hit_s,
            deduped,
            key: request.key,
            fingerprint: request.fingerprint,
            guarding: false,
            reserved_ms: now_ms,
            doubt: None,
        };
        self.note(Row::Hold(request.hold));
        self.open.insert(request.hold);
        self.holds.insert(request.hold, hold);
        if request.guarding {
            self.abandon(request.hold);
        }
        Verdict::Reserved { amount, available, observed }
    }

    /// Creates the campaign if this is its first send, binds it to its wallet, counts what is held;
    /// returns whether the recipient was noted.
    fn enter_campaign(
        &mut self,
        request: &Reserve,
        campaign: Option<&CampaignId>,
        recipient: &RecipientHash,
        amount: Amount,
    ) -> bool {
        let Some(id) = campaign else { return false };
        let epoch = request
            .wallet
            .as_ref()
            .and_then(|id| self.wallets.get(id))
            .map_or(0, |wallet| wallet.epoch);
        if !self.campaigns.contains_key(id) {
            self.add_campaign(id, Campaign::new(String::new()));
        }
        let Some(campaign) = self.campaign_mut(id) else { return false };
        if campaign.wallet.is_none()
            && let Some(wallet) = &request.wallet
        {
            campaign.wallet = Some(wallet.clone());
            campaign.epoch = epoch;
        }
        campaign.held =
            Amount::saturating_from_micros(campaign.held.micros().saturating_add(amount.micros()));
        // One that only observes may send for a finished campaign, which forgets its recipients.
        let finished = matches!(campaign.stopped, Some((StopReason::Finished, _)));
        let dedupe = campaign.dedupe_recipients && !finished;
        let newly = dedupe && !self.has_sent(id, recipient);
        if newly {
            self.note(Row::Sent(id.clone(), *recipient));
            self.add_sent(id, *recipient);
        }
        newly
    }
}

/// External channels are never stopped for money.
const fn stops_external(reason: StopReason) -> bool {
    matches!(
        reason,
        StopReason::Operator
            | StopReason::QualityRed
            | StopReason::ErrorRate
            | StopReason::Finished
    )
}

/// The refusal of a send whose idempotency key is known.
fn repeated(record: &KeyRecord, request: &Reserve) -> Refusal {
    if record.fingerprint != request.fingerprint {
        return Refusal::Rejected(Rejection::IdempotencyConflict);
    }
    match &record.outcome {
        KeyOutcome::Open => Refusal::Rejected(Rejection::IdempotencyInFlight),
        KeyOutcome::InDoubt => Refusal::Rejected(Rejection::OutcomeUnknown { hold: record.hold }),
        KeyOutcome::Accepted(message_id) => Refusal::Replayed {
            hold: record.hold,
            message_id: message_id.clone(),
            amount: record.amount,
        },
    }
}
