//! Reserve: the one step in which every limit is decided, in the documented order, before anything
//! is written.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::{half_day, key_is_kept};
use crate::amount::Amount;
use crate::ids::CampaignId;
use crate::ledger::Verdict;
use crate::ledger::operation::{AllowanceRule, Reserve};
use crate::ledger::state::{AccountState, Campaign, Hold, KeyOutcome, KeyRecord, Row};
use crate::ledger::verdict::{EventKind, HoldState, Rejection, StopReason};

impl AccountState {
    pub(super) fn reserve(&mut self, request: &Reserve, now_ms: i64) -> Verdict {
        if request.amount.is_negative() {
            // A hold of less than nothing would make credits.
            return Verdict::OutOfRange;
        }
        if request.settings_version != self.head.settings_version {
            return Verdict::StaleSettings;
        }
        if now_ms >= request.price_valid_until_ms {
            return Verdict::StalePrice;
        }
        if request.wallet.as_ref().is_some_and(|wallet| !self.wallets.contains_key(wallet)) {
            return Verdict::WalletUnknown;
        }
        let campaign = request.campaign.as_ref().map(|campaign| &campaign.id);
        if let Some(rejection) = self.campaign_refusal(request) {
            return self.reject(campaign, rejection);
        }
        if let Some(verdict) = self.repetition(request, now_ms) {
            if let Verdict::Rejected(rejection) = verdict {
                return self.reject(campaign, rejection);
            }
            return verdict;
        }
        let exempt = campaign
            .and_then(|id| self.campaigns.get(id))
            .is_some_and(|campaign| campaign.exempt_from_caps);
        if !exempt
            && let Some(rejection) =
                self.cap_refusal(&request.caps, &request.recipient, request.category, now_ms)
        {
            return self.reject(campaign, rejection);
        }
        if let Some(rejection) = request
            .window
            .as_ref()
            .and_then(|rule| self.window_refusal(rule, &request.recipient, now_ms))
        {
            return self.reject(campaign, rejection);
        }
        let free_month = self.free_month(request, now_ms);
        let amount = if free_month.is_some() { Amount::ZERO } else { request.amount };
        if let Some(rejection) = self.budget_refusal(campaign, amount, now_ms) {
            return self.reject(campaign, rejection);
        }
        if let Some(rejection) = self.balance_refusal(request, amount, now_ms) {
            return self.reject(campaign, rejection);
        }
        // Nothing may be refused from here on.
        self.hold_it(request, amount, free_month, now_ms)
    }

    fn campaign_refusal(&self, request: &Reserve) -> Option<Rejection> {
        let named = request.campaign.as_ref()?;
        let Some(campaign) = self.campaigns.get(&named.id) else {
            return (!named.auto_create).then_some(Rejection::CampaignUnknown);
        };
        if let Some((reason, since_ms)) = campaign.stopped
            && (request.wallet.is_some() || stops_external(reason))
        {
            return Some(Rejection::CampaignStopped { reason, since_ms });
        }
        let (Some(payer), Some(own)) = (&request.wallet, &campaign.wallet) else { return None };
        if payer != own {
            return Some(Rejection::CampaignUnknown);
        }
        let wallet = self.wallets.get(own)?;
        (wallet.epoch != campaign.epoch).then_some(Rejection::CampaignStopped {
            reason: StopReason::CreditsExhausted,
            since_ms: wallet.exhausted_since_ms,
        })
    }

    /// Was this send made before? By key, by a body nobody waits for any more, or by a campaign's
    /// recipient.
    fn repetition(&self, request: &Reserve, now_ms: i64) -> Option<Verdict> {
        if let Some(key) = request.key {
            if let Some(record) =
                self.keys.get(&key).filter(|record| key_is_kept(record.half_day, now_ms))
            {
                return Some(replay(record, request));
            }
        } else if let Some(hold) =
            self.guards.get(&request.fingerprint).and_then(|holds| holds.first())
        {
            return Some(Verdict::Rejected(Rejection::OutcomeUnknown { hold: *hold }));
        }
        let campaign = request.campaign.as_ref().filter(|named| {
            self.campaigns.get(&named.id).is_some_and(|found| found.dedupe_recipients)
        })?;
        let sent = self
            .sent
            .get(&campaign.id)
            .is_some_and(|recipients| recipients.contains(&request.recipient));
        sent.then_some(Verdict::Rejected(Rejection::AlreadySent))
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

    fn budget_refusal(
        &mut self,
        campaign: Option<&CampaignId>,
        amount: Amount,
        now_ms: i64,
    ) -> Option<Rejection> {
        let id = campaign?;
        let found = self.campaigns.get_mut(id)?;
        let after = found
            .spent
            .micros()
            .saturating_add(found.held.micros())
            .saturating_add(amount.micros());
        if !amount.is_positive() || found.budget.is_none_or(|budget| after <= budget.micros()) {
            return None;
        }
        found.stopped = Some((StopReason::BudgetSpent, now_ms));
        let (wallet, budget) = (found.wallet.clone(), found.budget);
        self.touch(Row::Campaign(id.clone()));
        self.event(EventKind::CampaignStopped, now_ms, |event| {
            event.wallet = wallet;
            event.campaign = Some(id.clone());
            event.amount = budget;
            event.reason = Some(StopReason::BudgetSpent);
        });
        Some(Rejection::CampaignStopped { reason: StopReason::BudgetSpent, since_ms: now_ms })
    }

    fn balance_refusal(
        &mut self,
        request: &Reserve,
        amount: Amount,
        now_ms: i64,
    ) -> Option<Rejection> {
        let wallet_id = request.wallet.as_ref()?;
        let wallet = self.wallets.get(wallet_id)?;
        let available = wallet.available();
        let named = request.campaign.as_ref().map(|named| &named.id);
        // A campaign that no prepaid send has bound to this wallet yet begins when there are
        // credits again.
        let begins = named.is_some_and(|id| {
            self.campaigns.get(id).is_none_or(|campaign| campaign.wallet.is_none())
        });
        if wallet.exhausted && begins {
            return Some(Rejection::InsufficientBalance {
                needed: amount.max(wallet.refused_price),
                available,
            });
        }
        if !amount.is_positive() || available >= amount {
            return None;
        }
        if let Some(id) = named {
            self.exhaust(request, id, amount, now_ms);
        }
        Some(Rejection::InsufficientBalance { needed: amount, available })
    }

    /// The first campaign send refused for money: all campaigns of the wallet stop in this one
    /// step, with one event.
    fn exhaust(&mut self, request: &Reserve, campaign: &CampaignId, price: Amount, now_ms: i64) {
        let Some(wallet_id) = &request.wallet else { return };
        let Some(wallet) = self.wallets.get_mut(wallet_id) else { return };
        let epoch_before = wallet.epoch;
        wallet.epoch = wallet.epoch.saturating_add(1);
        wallet.exhausted = true;
        wallet.exhausted_since_ms = now_ms;
        wallet.refused_price = price;
        let available = wallet.available();
        self.touch(Row::Wallet(wallet_id.clone()));
        if let Some(found) = self.campaigns.get_mut(campaign).filter(|found| found.wallet.is_none())
        {
            found.wallet = Some(wallet_id.clone());
            found.epoch = epoch_before;
            self.touch(Row::Campaign(campaign.clone()));
        }
        self.event(EventKind::WalletExhausted, now_ms, |event| {
            event.wallet = Some(wallet_id.clone());
            event.campaign = Some(campaign.clone());
            event.amount = Some(price);
            event.available = Some(available);
        });
    }

    fn hold_it(
        &mut self,
        request: &Reserve,
        amount: Amount,
        free_month: Option<i32>,
        now_ms: i64,
    ) -> Verdict {
        let deduped = self.enter_campaign(request, amount);
        let mut available = None;
        if let Some(wallet_id) = &request.wallet
            && let Some(wallet) = self.wallets.get_mut(wallet_id)
        {
            wallet.held = Amount::saturating_from_micros(
                wallet.held.micros().saturating_add(amount.micros()),
            );
            available = Some(wallet.available());
            self.touch(Row::Wallet(wallet_id.clone()));
            self.warn_when_low(wallet_id, now_ms);
        }
        if let Some(rule) = &request.window {
            self.open_place(&rule.portfolio, &request.recipient);
        }
        let mark_s = self.add_mark(&request.caps, &request.recipient, request.category, now_ms);
        if let Some(month) = free_month {
            let taken = self.allowances.entry(request.channel.clone()).or_insert((month, 0));
            *taken = (month, if taken.0 == month { taken.1.saturating_add(1) } else { 1 });
            self.touch(Row::Allowance(request.channel.clone()));
        }
        if let Some(key) = request.key {
            let record = KeyRecord {
                hold: request.hold,
                fingerprint: request.fingerprint,
                amount,
                half_day: half_day(now_ms),
                outcome: KeyOutcome::Open,
            };
            self.keys.insert(key, record);
            self.touch(Row::Key(key));
        }
        let hold = Hold {
            state: HoldState::Open,
            amount,
            wallet: request.wallet.clone(),
            campaign: request.campaign.as_ref().map(|campaign| campaign.id.clone()),
            channel: request.channel.clone(),
            country: request.country,
            category: request.category,
            recipient: request.recipient,
            window: request.window.as_ref().map(|rule| rule.portfolio.clone()),
            allowance_month: free_month,
            mark_s,
            deduped,
            key: request.key,
            fingerprint: request.fingerprint,
            guarding: false,
            reserved_ms: now_ms,
        };
        self.holds.insert(request.hold, hold);
        self.touch(Row::Hold(request.hold));
        Verdict::Reserved { amount, available }
    }

    /// Creates the campaign where this is its first send, binds it to its wallet, counts what is
    /// held; answers whether the recipient was noted.
    fn enter_campaign(&mut self, request: &Reserve, amount: Amount) -> bool {
        let Some(named) = &request.campaign else { return false };
        let epoch = request
            .wallet
            .as_ref()
            .and_then(|id| self.wallets.get(id))
            .map_or(0, |wallet| wallet.epoch);
        let campaign =
            self.campaigns.entry(named.id.clone()).or_insert_with(|| Campaign::new(String::new()));
        if campaign.wallet.is_none()
            && let Some(wallet) = &request.wallet
        {
            campaign.wallet = Some(wallet.clone());
            campaign.epoch = epoch;
        }
        campaign.held =
            Amount::saturating_from_micros(campaign.held.micros().saturating_add(amount.micros()));
        let dedupe = campaign.dedupe_recipients;
        self.touch(Row::Campaign(named.id.clone()));
        if dedupe {
            self.sent.entry(named.id.clone()).or_default().insert(request.recipient);
            self.touch(Row::Sent(named.id.clone(), request.recipient));
        }
        dedupe
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

fn replay(record: &KeyRecord, request: &Reserve) -> Verdict {
    if record.fingerprint != request.fingerprint {
        return Verdict::Rejected(Rejection::IdempotencyConflict);
    }
    match &record.outcome {
        KeyOutcome::Open => Verdict::Rejected(Rejection::IdempotencyInFlight),
        KeyOutcome::InDoubt => Verdict::Rejected(Rejection::OutcomeUnknown { hold: record.hold }),
        KeyOutcome::Accepted(message_id) => Verdict::Replayed {
            hold: record.hold,
            message_id: message_id.clone(),
            amount: record.amount,
        },
    }
}
