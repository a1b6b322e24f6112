//! Everything the embedded ledger knows, in memory: what a group of batches changes in it, and how
//! that is written, or undone if it cannot be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::answer::{Claim, Pending, pending};
use super::error::StoreError;
use super::store::{ClaimKey, Group, Store};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::ledger::state::AccountState;
use crate::ledger::{Batch, LedgerFault, Verdict};

/// Writers of one account that are remembered at most: a gateway has one, and takes another name
/// only after a batch was refused.
const WRITERS: usize = 16;

/// The last batch of a writer.
struct LastBatch {
    writer: u64,
    number: u64,
    verdicts: Vec<Verdict>,
}

/// All accounts and claims.
#[derive(Default)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    pub(super) claims: BTreeMap<ClaimKey, String>,
    /// The clock's time when the group in hand began.
    pub(super) now_ms: i64,
    /// What repeated numbers are answered with, by account, the newest last. Writers end with the
    /// process, so this is never stored.
    last_batches: HashMap<AccountId, Vec<LastBatch>>,
    /// When accounts were last swept. Nobody else sweeps them, so this is never stored.
    pub(super) swept: HashMap<AccountId, i64>,
    /// Accounts whose time has moved by more than is stored.
    untimed: BTreeSet<AccountId>,
    /// Accounts changed since the last commit.
    changed: Vec<AccountId>,
    /// Accounts swept since the last commit, with when they were before.
    changed_swept: Vec<(AccountId, Option<i64>)>,
    /// Names changed since the last commit, with who held them before.
    changed_claims: BTreeMap<ClaimKey, Option<String>>,
    /// Batches since the last commit, with what took their place before them.
    changed_batches: Vec<(AccountId, u64, Option<LastBatch>)>,
}

impl World {
    pub(super) fn new(
        accounts: BTreeMap<AccountId, AccountState>,
        claims: BTreeMap<ClaimKey, String>,
    ) -> World {
        World { accounts, claims, ..World::default() }
    }

    pub(super) fn orphan_open_holds(&mut self, clock: &Clock) {
        for (id, account) in &mut self.accounts {
            account.doubt_open_holds(clock.now_ms());
            if !account.changes().is_empty() {
                self.changed.push(id.clone());
            }
        }
    }

    pub(super) fn apply(
        &mut self,
        account: &AccountId,
        batch: &Batch,
        clock: &Clock,
    ) -> Result<Vec<Verdict>, LedgerFault> {
        let last = self.last_batches.get(account).into_iter().flatten();
        if let Some(last) =
            last.rev().find(|last| last.writer == batch.writer && batch.number <= last.number)
        {
            if batch.number == last.number {
                return Ok(last.verdicts.clone());
            }
            let (late, last) = (batch.number, last.number);
            let text = format!("batch {late} comes after batch {last} of the same writer");
            return Err(LedgerFault::Refused(text.into()));
        }
        let verdicts = if let Some(state) = self.accounts.get_mut(account) {
            state.apply_batch(batch, clock.now_ms())?
        } else {
            let mut fresh = AccountState::default();
            let verdicts = fresh.apply_batch(batch, clock.now_ms())?;
            if fresh.settings_version() == 0 {
                // The first document creates an account; without one, the verdicts belong to no
                // account and nothing is stored.
                return Ok(verdicts);
            }
            self.accounts.insert(account.clone(), fresh);
            verdicts
        };
        self.changed.push(account.clone());
        if batch.sweeps()
            && let Some(state) = self.accounts.get(account)
        {
            let before = self.swept.insert(account.clone(), state.last_ms());
            self.changed_swept.push((account.clone(), before));
        }
        let last =
            LastBatch { writer: batch.writer, number: batch.number, verdicts: verdicts.clone() };
        self.remember(account, last);
        Ok(verdicts)
    }

    fn remember(&mut self, account: &AccountId, last: LastBatch) {
        if !self.last_batches.contains_key(account) {
            self.last_batches.insert(account.clone(), Vec::new());
        }
        let Some(known) = self.last_batches.get_mut(account) else { return };
        let same = known.iter().position(|known| known.writer == last.writer);
        let place = same.or_else(|| (known.len() >= WRITERS).then_some(0));
        let before = place.map(|place| known.remove(place));
        self.changed_batches.push((account.clone(), last.writer, before));
        known.push(last);
    }

    pub(super) fn change_claim(&mut self, key: ClaimKey, change: Claim) -> Pending {
        match change {
            Claim::Take(owner, answer) => {
                let before = self.claims.get(&key).cloned();
                let holder = self.claims.entry(key.clone()).or_insert(owner).clone();
                if before.is_none() {
                    self.changed_claims.entry(key).or_insert(before);
                }
                pending(answer, Ok(holder))
            }
            Claim::Give(owner, answer) => {
                if self.claims.get(&key) == Some(&owner) {
                    let before = self.claims.remove(&key);
                    self.changed_claims.entry(key).or_insert(before);
                }
                pending(answer, Ok(()))
            }
        }
    }

    /// Makes everything as it was before the group whose commit failed: it was never decided, and
    /// may be decided anew under its numbers.
    pub(super) fn undo(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            let Some(state) = self.accounts.get_mut(&id) else { continue };
            state.undo();
            if state.settings_version() == 0 {
                self.accounts.remove(&id);
            }
        }
        for (id, before) in std::mem::take(&mut self.changed_swept).into_iter().rev() {
            match before {
                Some(before) => drop(self.swept.insert(id, before)),
                None => drop(self.swept.remove(&id)),
            }
        }
        for (key, owner) in std::mem::take(&mut self.changed_claims) {
            match owner {
                Some(owner) => drop(self.claims.insert(key, owner)),
                None => drop(self.claims.remove(&key)),
            }
        }
        for (account, writer, before) in std::mem::take(&mut self.changed_batches).into_iter().rev()
        {
            let Some(known) = self.last_batches.get_mut(&account) else { continue };
            known.retain(|known| known.writer != writer);
            known.extend(before);
        }
    }

    /// Writes what changed in one transaction; returns whether anything had. On failure the caller
    /// undoes it.
    pub(super) fn persist(&mut self, store: &mut Store) -> Result<bool, StoreError> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let state = |id| self.accounts.get_key_value(id);
        let changed: Vec<_> = self.changed.iter().filter_map(state).collect();
        let (changed, unchanged): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|(_, state)| !state.changes().is_empty());
        self.untimed.extend(unchanged.into_iter().map(|(id, _)| id.clone()));
        let wrote = !changed.is_empty() || !self.changed_claims.is_empty();
        if wrote {
            let owner = |key| (key, self.claims.get(key).map(String::as_str));
            let claims = self.changed_claims.keys().map(owner).collect();
            let group = Group { accounts: &self.accounts, changed, claims };
            store.commit(&group)?;
            for (id, _) in &group.changed {
                self.untimed.remove(*id);
            }
        }
        for id in self.changed.drain(..) {
            self.accounts.get_mut(&id).map(AccountState::forget_changes);
        }
        self.changed_swept.clear();
        self.changed_claims.clear();
        self.changed_batches.clear();
        Ok(wrote)
    }

    /// Writes the time of accounts whose time has moved and nothing else, so that it does not go
    /// back over an orderly end.
    pub(super) fn persist_times(&mut self, store: &mut Store) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.untimed) {
            if let Some(state) = self.accounts.get_mut(&id) {
                state.note_time();
                self.changed.push(id);
            }
        }
        self.persist(store).map(drop)
    }
}
