//! What is remembered of an account between two looks at it: how it was, and when to look again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::ids::AccountId;
use crate::ledger::{Attention, OldestHolds};

/// Longest time between two looks at an account in which nothing happens.
const LONGEST: Duration = Duration::from_secs(16);

/// The same in rounds, however short they are.
const LONGEST_ROUNDS: u64 = 16;

/// An account with batches since its last sweep is swept again after this time, so that what has
/// expired in it goes.
const CHANGED_MS: i64 = 60_000;

/// One without any after this time, and up to a sixth later, so that not all are swept at once.
const UNCHANGED_MS: i64 = 3_600_000;

/// How old holds may get, and for how long no account is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    pub(super) open_ms: i64,
    pub(super) in_doubt_ms: i64,
    longest_rounds: u64,
}

impl Ages {
    pub(super) fn new(open: Duration, in_doubt: Duration, interval: Duration) -> Ages {
        let rounds = LONGEST.as_millis().checked_div(interval.as_millis());
        let rounds = rounds.and_then(|rounds| u64::try_from(rounds).ok());
        Ages {
            open_ms: milliseconds(open),
            in_doubt_ms: milliseconds(in_doubt),
            longest_rounds: rounds.unwrap_or(LONGEST_ROUNDS).clamp(1, LONGEST_ROUNDS),
        }
    }

    /// Which holds are too old.
    pub(super) fn overdue(&self, oldest: &OldestHolds, now_ms: i64) -> Overdue {
        let is_over = |since: Option<i64>, age_ms: i64| {
            since.is_some_and(|since_ms| since_ms.saturating_add(age_ms) <= now_ms)
        };
        Overdue {
            open: is_over(oldest.open_ms, self.open_ms),
            in_doubt: is_over(oldest.in_doubt_ms, self.in_doubt_ms),
        }
    }

    /// One round, and twice as many each time.
    fn rounds(&self, times: u32) -> u64 {
        1u64.checked_shl(times).unwrap_or(u64::MAX).min(self.longest_rounds)
    }
}

/// Whether there are holds that are too old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overdue {
    pub(super) open: bool,
    pub(super) in_doubt: bool,
}

impl Overdue {
    pub(super) const fn any(self) -> bool {
        self.open || self.in_doubt
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An account as it was seen last.
#[derive(Default)]
pub(super) struct Watched {
    seen: Option<Attention>,
    /// Unless it has changed since they were read.
    oldest: Option<OldestHolds>,
    /// There may have been another change in the same millisecond: the last look found one, or the
    /// ledger's time is not past the last batch.
    unsettled: bool,
    /// The last sweep left some for the next.
    unfinished: bool,
    /// Looks in a row that found no change, and sweeps in a row that were in vain.
    quiet: u32,
    vain: u32,
    /// When to look again, and before which round not to sweep again.
    next_round: u64,
    retry_round: u64,
    /// The last event that was told.
    told: Option<u64>,
}

/// What a look found.
pub(super) struct Look {
    pub(super) attention: Attention,
    /// Whether there may have been a batch since the last look.
    pub(super) changed: bool,
    /// Whether it is to be swept, whatever the age of its holds.
    pub(super) sweeps: bool,
    /// Whether it may be swept if holds are too old.
    pub(super) may_sweep: bool,
    /// The oldest holds, if they are known.
    pub(super) oldest: Option<OldestHolds>,
    /// The last event that was told, if any look has come so far.
    pub(super) told: Option<u64>,
}

/// What came of doing what a look found.
pub(super) struct Visited {
    pub(super) oldest: OldestHolds,
    /// Whether it was swept, and whether the sweep left some for the next.
    pub(super) swept: bool,
    pub(super) unfinished: bool,
    /// Whether it could not be swept, or holds were too old and yet nothing was swept.
    pub(super) in_vain: bool,
    pub(super) told: u64,
}

impl Look {
    /// Whether anything is to be done.
    pub(super) fn finds_something(&self, ages: &Ages, now_ms: i64) -> bool {
        let overdue = self.oldest.is_none_or(|oldest| ages.overdue(&oldest, now_ms).any());
        self.changed
            || self.sweeps
            || (self.may_sweep && overdue)
            || self.told != Some(self.attention.events)
    }
}

impl Watched {
    /// Holds that were in doubt at the last look.
    pub(super) fn in_doubt(&self) -> u64 {
        self.seen.map_or(0, |seen| seen.in_doubt)
    }

    /// Whether to look in this round.
    pub(super) fn is_wanted(&self, round: u64, now_ms: i64, ages: &Ages) -> bool {
        let overdue = || self.oldest.is_some_and(|oldest| ages.overdue(&oldest, now_ms).any());
        let untold = || self.told.zip(self.seen).is_some_and(|(told, seen)| told != seen.events);
        let left = || self.unfinished || untold() || overdue();
        round >= self.next_round || (round >= self.retry_round && left())
    }

    /// It is in use: look at it in the next round.
    pub(super) fn wake(&mut self) {
        (self.quiet, self.next_round) = (0, self.retry_round);
    }

    /// Takes down how it is.
    pub(super) fn look(
        &mut self,
        account: &AccountId,
        attention: Attention,
        (round, now_ms): (u64, i64),
    ) -> Look {
        let moved = self.seen != Some(attention);
        // A store that lost writes answers the next batch with it.
        let lost = self.seen.is_some_and(|seen| attention.last_ms < seen.last_ms);
        let changed = moved || self.unsettled;
        self.quiet = if changed { 0 } else { self.quiet.saturating_add(1) };
        let still = now_ms <= attention.last_ms;
        (self.seen, self.unsettled) = (Some(attention), moved || still);
        let may_sweep = round >= self.retry_round;
        let due = is_unswept(account, &attention, now_ms);
        Look {
            attention,
            changed,
            sweeps: may_sweep && (due || lost || self.unfinished),
            may_sweep,
            oldest: self.oldest.take_if(|_| !changed),
            told: self.told,
        }
    }

    /// There was nothing to do.
    pub(super) fn rest(&mut self, look: &Look, round: u64, ages: &Ages) {
        self.oldest = look.oldest;
        self.next_round = round.saturating_add(ages.rounds(self.quiet));
    }

    /// It was done.
    pub(super) fn visited(&mut self, visited: &Visited, round: u64, ages: &Ages) {
        self.oldest = Some(visited.oldest);
        (self.unfinished, self.told) = (visited.unfinished, Some(visited.told));
        // What a sweep has changed shows in the next round.
        self.quiet = if visited.swept { 0 } else { self.quiet };
        self.next_round = round.saturating_add(ages.rounds(self.quiet));
        if visited.in_vain {
            self.vain = self.vain.saturating_add(1);
            self.retry_round = round.saturating_add(ages.rounds(self.vain));
        } else if visited.swept {
            self.vain = 0;
        }
    }

    /// It could not be done.
    pub(super) fn failed(&mut self, round: u64, ages: &Ages) {
        self.unsettled = true;
        self.vain = self.vain.saturating_add(1);
        self.retry_round = round.saturating_add(ages.rounds(self.vain));
        self.next_round = self.retry_round;
    }
}

/// Whether its last sweep is so long ago that things will have expired.
fn is_unswept(account: &AccountId, attention: &Attention, now_ms: i64) -> bool {
    let Some(swept_ms) = attention.swept_ms else { return true };
    let age_ms = now_ms.saturating_sub(swept_ms);
    if attention.last_ms > swept_ms {
        return age_ms >= CHANGED_MS;
    }
    let mut hasher = DefaultHasher::new();
    account.hash(&mut hasher);
    let later_ms = i64::from(hasher.finish() as u16) * (UNCHANGED_MS / 6) / i64::from(u16::MAX);
    age_ms >= UNCHANGED_MS + later_ms
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ages, Attention, Look, OldestHolds, Visited, Watched};

    const MINUTE: i64 = 60_000;

    fn ages() -> Ages {
        let second = Duration::from_secs(1);
        Ages::new(second * 38, second * 86_400, second)
    }

    /// An account that was swept at zero.
    fn at(last_ms: i64) -> Attention {
        Attention { last_ms, swept_ms: Some(0), ..Attention::default() }
    }

    fn look(watched: &mut Watched, attention: Attention, round: u64, now_ms: i64) -> Look {
        watched.look(&"acme".parse().expect("an id"), attention, (round, now_ms))
    }

    fn visited(watched: &mut Watched, look: &Look, oldest: OldestHolds, round: u64) {
        let told = look.attention.events;
        let (swept, unfinished, in_vain) = (look.sweeps, false, false);
        let visited = Visited { oldest, swept, unfinished, in_vain, told };
        watched.visited(&visited, round, &ages());
    }

    /// The rounds in which an account is looked at that does not change.
    fn rounds(watched: &mut Watched, attention: Attention, oldest: OldestHolds) -> Vec<u64> {
        let mut looked = Vec::new();
        for round in 1..=60 {
            let now_ms = i64::try_from(round).expect("few") * 1000;
            if watched.is_wanted(round, now_ms, &ages()) {
                looked.push(round);
                let look = look(watched, attention, round, now_ms);
                if look.finds_something(&ages(), now_ms) {
                    visited(watched, &look, oldest, round);
                } else {
                    watched.rest(&look, round, &ages());
                }
            }
        }
        looked
    }

    #[test]
    fn an_account_in_which_nothing_happens_is_looked_at_more_and_more_seldom() {
        let looked = rounds(&mut Watched::default(), at(0), OldestHolds::default());
        assert_eq!(looked, [1, 2, 3, 5, 9, 17, 33, 49]);
    }

    #[test]
    fn a_change_is_read_twice() {
        let mut watched = Watched::default();
        rounds(&mut watched, at(0), OldestHolds::default());
        for (round, changed) in [(61, true), (62, true), (63, false)] {
            assert_eq!(look(&mut watched, at(5), round, 61_000).changed, changed, "{round}");
        }
    }

    #[test]
    fn a_hold_is_looked_at_when_it_is_due_however_quiet_the_account() {
        let mut watched = Watched::default();
        let oldest = OldestHolds { open_ms: Some(0), in_doubt_ms: None };
        let looked = rounds(&mut watched, at(0), oldest);
        assert!(looked.starts_with(&[1, 2, 3, 5, 9, 17, 33, 38, 39]), "{looked:?}");
    }

    #[test]
    fn a_sweep_in_vain_is_not_repeated_each_round() {
        let mut watched = Watched::default();
        let oldest = OldestHolds { open_ms: Some(0), in_doubt_ms: None };
        let mut swept = Vec::new();
        for round in 1..=40 {
            if watched.is_wanted(round, MINUTE, &ages()) {
                let look = look(&mut watched, at(0), round, MINUTE);
                let in_vain = look.may_sweep;
                swept.extend(look.may_sweep.then_some(round));
                let visited =
                    Visited { oldest, swept: in_vain, unfinished: false, in_vain, told: 0 };
                watched.visited(&visited, round, &ages());
            }
        }
        assert_eq!(swept, [1, 3, 7, 15, 31]);
    }

    #[test]
    fn one_with_batches_is_swept_each_minute_and_one_without_each_hour() {
        let sweeps = |attention, now_ms| look(&mut Watched::default(), attention, 1, now_ms).sweeps;
        assert!(sweeps(Attention::default(), 0), "nobody knows when it was swept");
        assert!(!sweeps(at(1), MINUTE - 1) && sweeps(at(1), MINUTE));
        assert!(!sweeps(at(0), 60 * MINUTE - 1) && sweeps(at(0), 70 * MINUTE));
    }

    #[test]
    fn an_account_whose_time_went_back_is_swept() {
        let mut watched = Watched::default();
        assert!(!look(&mut watched, at(5), 1, 0).sweeps);
        assert!(!look(&mut watched, at(6), 2, 0).sweeps);
        assert!(look(&mut watched, at(5), 3, 0).sweeps);
    }

    #[test]
    fn while_time_stands_still_each_round_is_a_change() {
        let mut watched = Watched::default();
        for round in 1..=9 {
            assert!(look(&mut watched, at(5), round, 5).changed, "{round}");
        }
        assert!(
            look(&mut watched, at(5), 10, 6).changed && !look(&mut watched, at(5), 11, 6).changed
        );
    }

    #[test]
    fn events_that_the_store_lost_are_numbered_anew() {
        let with = |events| Attention { events, ..at(0) };
        let mut watched = Watched::default();
        let seen = look(&mut watched, with(9), 1, 0);
        visited(&mut watched, &seen, OldestHolds::default(), 1);
        let seen = look(&mut watched, with(7), 2, 0);
        assert!(seen.finds_something(&ages(), 0));
    }

    #[test]
    fn what_a_sweep_left_is_swept_in_the_next_round() {
        let mut watched = Watched::default();
        let oldest = OldestHolds::default();
        look(&mut watched, at(0), 1, 0);
        let done = Visited { oldest, swept: true, unfinished: true, in_vain: false, told: 0 };
        watched.visited(&done, 1, &ages());
        assert!(watched.is_wanted(2, 0, &ages()) && look(&mut watched, at(0), 2, 0).sweeps);
    }
}
