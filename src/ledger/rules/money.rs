//! Money that moves without a message: top-ups and adjustments, wallet settings, entries, events
//! and low-balance crossings.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::amount::{Amount, MAX_MICROS};
use crate::ids::WalletId;
use crate::ledger::Verdict;
use crate::ledger::calendar::utc_day;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::event::{Event, EventKind};
use crate::ledger::operation::MAX_THRESHOLDS;
use crate::ledger::state::{AccountState, Row, Threshold, Wallet};

impl AccountState {
    pub(super) fn top_up(
        &mut self,
        wallet: &WalletId,
        amount: Amount,
        reference: &Arc<str>,
        now_ms: i64,
    ) -> Verdict {
        if !amount.is_positive() {
            return Verdict::OutOfRange;
        }
        self.post(wallet, EntryKind::TopUp, amount, reference, &Arc::from(""), now_ms)
    }

    pub(super) fn adjust(
        &mut self,
        wallet: &WalletId,
        amount: Amount,
        reference: &Arc<str>,
        reason: &Arc<str>,
        now_ms: i64,
    ) -> Verdict {
        if amount.is_zero() {
            return Verdict::OutOfRange;
        }
        self.post(wallet, EntryKind::Adjustment, amount, reference, reason, now_ms)
    }

    fn post(
        &mut self,
        wallet_id: &WalletId,
        kind: EntryKind,
        amount: Amount,
        reference: &Arc<str>,
        reason: &Arc<str>,
        now_ms: i64,
    ) -> Verdict {
        match self.check_post(wallet_id, kind, amount, reference, reason) {
            Ok(()) => self.apply_post(wallet_id, kind, amount, reference, reason, now_ms),
            Err(verdict) => *verdict,
        }
    }

    /// Whether the entry may be booked; fails with the verdict if it was booked before, or may not.
    fn check_post(
        &self,
        wallet_id: &WalletId,
        kind: EntryKind,
        amount: Amount,
        reference: &Arc<str>,
        reason: &Arc<str>,
    ) -> Result<(), Box<Verdict>> {
        let wallet = self.wallets.get(wallet_id).ok_or_else(|| Box::new(Verdict::WalletUnknown))?;
        if let Some(entry) = self.references.get(&(wallet_id.clone(), reference.clone())) {
            let same = entry.kind == kind && entry.amount == amount && entry.reason == *reason;
            return Err(Box::new(if same {
                Verdict::Posted { entry: entry.clone(), repeated: true }
            } else {
                Verdict::ReferenceConflict
            }));
        }
        let settled = wallet.settled.micros().saturating_add(amount.micros());
        if !in_range(settled, wallet.overdraft_limit.micros()) {
            return Err(Box::new(Verdict::OutOfRange));
        }
        let available = wallet.available();
        if available.micros().saturating_add(amount.micros()) < 0 && amount.is_negative() {
            return Err(Box::new(Verdict::Shortfall { needed: amount.negated(), available }));
        }
        Ok(())
    }

    fn apply_post(
        &mut self,
        wallet_id: &WalletId,
        kind: EntryKind,
        amount: Amount,
        reference: &Arc<str>,
        reason: &Arc<str>,
        now_ms: i64,
    ) -> Verdict {
        let Some(wallet) = self.wallet_mut(wallet_id) else { return Verdict::WalletUnknown };
        wallet.settled =
            Amount::saturating_from_micros(wallet.settled.micros().saturating_add(amount.micros()));
        if amount.is_positive() {
            wallet.exhausted = false;
        }
        let entry = self.entry(wallet_id, kind, amount, now_ms, |entry| {
            entry.reference = reference.clone();
            entry.reason = reason.clone();
        });
        self.note(Row::Reference(wallet_id.clone(), reference.clone()));
        self.put_reference(wallet_id, reference, entry.clone());
        if amount.is_positive() {
            self.arm_thresholds(wallet_id);
        } else {
            self.warn_when_low(wallet_id, now_ms);
        }
        Verdict::Posted { entry, repeated: false }
    }

    pub(super) fn put_wallet(
        &mut self,
        wallet_id: &WalletId,
        overdraft_limit: Option<Amount>,
        thresholds: Option<&[Amount]>,
        now_ms: i64,
    ) -> Verdict {
        let mut wallet = self.wallets.get(wallet_id).cloned().unwrap_or_default();
        if let Err(verdict) = check_put_wallet(&wallet, overdraft_limit, thresholds) {
            return *verdict;
        }
        if let Some(limit) = overdraft_limit {
            let raised = limit > wallet.overdraft_limit;
            wallet.overdraft_limit = limit;
            wallet.exhausted = wallet.exhausted && !raised;
        }
        if let Some(list) = thresholds {
            let available = wallet.available();
            wallet.thresholds = list
                .iter()
                .map(|below| Threshold { below: *below, armed: available >= *below })
                .collect();
        }
        self.note(Row::Wallet(wallet_id.clone()));
        self.wallets.insert(wallet_id.clone(), wallet);
        self.arm_thresholds(wallet_id);
        self.warn_when_low(wallet_id, now_ms);
        self.wallets
            .get(wallet_id)
            .map_or(Verdict::WalletUnknown, |wallet| Verdict::Wallet(wallet.view(wallet_id)))
    }

    /// Fires each armed threshold that available has fallen below.
    pub(super) fn warn_when_low(&mut self, wallet_id: &WalletId, now_ms: i64) {
        if self.wallets.get(wallet_id).is_none_or(|wallet| wallet.thresholds.is_empty()) {
            return;
        }
        let Some(wallet) = self.wallet_mut(wallet_id) else { return };
        let available = wallet.available();
        let mut crossed = Vec::new();
        for threshold in wallet
            .thresholds
            .iter_mut()
            .filter(|threshold| threshold.armed && available < threshold.below)
        {
            threshold.armed = false;
            crossed.push(threshold.below);
        }
        for below in crossed {
            self.event(EventKind::LowBalance, now_ms, |event| {
                event.wallet = Some(wallet_id.clone());
                event.amount = Some(below);
                event.available = Some(available);
            });
        }
    }

    /// Only money coming in arms a threshold again, so that holds taken and given back make no
    /// noise.
    fn arm_thresholds(&mut self, wallet_id: &WalletId) {
        let Some(wallet) = self.wallet_mut(wallet_id) else { return };
        let available = wallet.available();
        for threshold in
            wallet.thresholds.iter_mut().filter(|threshold| available >= threshold.below)
        {
            threshold.armed = true;
        }
    }

    /// Appends a statement entry; its balance is the wallet's settled balance, which the caller has
    /// moved.
    pub(super) fn entry(
        &mut self,
        wallet_id: &WalletId,
        kind: EntryKind,
        amount: Amount,
        now_ms: i64,
        fill: impl FnOnce(&mut Entry),
    ) -> Entry {
        self.note(Row::Account);
        self.head.entry_sequence = self.head.entry_sequence.saturating_add(1);
        let balance_after =
            self.wallets.get(wallet_id).map_or(Amount::ZERO, |wallet: &Wallet| wallet.settled);
        let mut entry = Entry {
            sequence: self.head.entry_sequence,
            at_ms: now_ms,
            wallet: wallet_id.clone(),
            kind,
            amount,
            balance_after,
            reference: Arc::from(""),
            reason: Arc::from(""),
            charge: None,
        };
        fill(&mut entry);
        self.add_entry(entry.clone());
        entry
    }

    /// Appends an event.
    pub(super) fn event(&mut self, kind: EventKind, now_ms: i64, fill: impl FnOnce(&mut Event)) {
        let day = utc_day(now_ms);
        self.note(Row::Account);
        self.note(Row::EventDay(day));
        self.head.event_sequence = self.head.event_sequence.saturating_add(1);
        self.event_days.insert(day, self.head.event_sequence);
        let mut event = Event {
            sequence: self.head.event_sequence,
            at_ms: now_ms,
            kind,
            wallet: None,
            campaign: None,
            hold: None,
            amount: None,
            available: None,
            reason: None,
        };
        fill(&mut event);
        self.add_event(event);
    }
}

/// Whether the wallet may have these settings.
fn check_put_wallet(
    wallet: &Wallet,
    overdraft_limit: Option<Amount>,
    thresholds: Option<&[Amount]>,
) -> Result<(), Box<Verdict>> {
    if thresholds.is_some_and(|list| list.len() > MAX_THRESHOLDS) {
        return Err(Box::new(Verdict::OutOfRange));
    }
    let Some(limit) = overdraft_limit else { return Ok(()) };
    if limit.is_negative() || !in_range(wallet.settled.micros(), limit.micros()) {
        return Err(Box::new(Verdict::OutOfRange));
    }
    let available = wallet.available();
    let needed = wallet.overdraft_limit.micros().saturating_sub(limit.micros());
    if limit < wallet.overdraft_limit && available.micros() < needed {
        let needed = Amount::saturating_from_micros(needed);
        return Err(Box::new(Verdict::Shortfall { needed, available }));
    }
    Ok(())
}

/// Whether settled and the overdraft limit can be added exactly.
const fn in_range(settled: i64, overdraft_limit: i64) -> bool {
    settled.saturating_abs() <= MAX_MICROS && settled.saturating_add(overdraft_limit) <= MAX_MICROS
}
