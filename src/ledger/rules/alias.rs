//! Aliases: recipients that replies of upstream have shown to be one person. What is kept of a
//! person is looked for under all of them; nothing that was written under one is moved.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use crate::ledger::Verdict;
use crate::ledger::calendar::utc_day;
use crate::ledger::operation::RecipientHash;
use crate::ledger::state::{AccountState, Alias, Row};

/// Recipients of one person at most, so that an upstream with one name for everybody makes no crowd
/// into one person.
const MAX_PERSON: usize = 4;
/// Aliases of an account at most in each of the 1,024 parts by the first ten bits of the hash.
const MAX_PART: usize = 256;
/// Days an alias is kept after the last reply that confirmed it: longer than anything that is kept
/// per person outside campaigns.
pub(super) const KEPT_DAYS: i64 = 365;
/// Days after which a further reply is written down as a confirmation.
const CONFIRMED_DAYS: i64 = 30;

/// One person: the recipient that was asked for, then the others.
#[derive(Debug, Clone)]
pub(super) struct Person {
    recipient: RecipientHash,
    others: Vec<RecipientHash>,
}

impl Person {
    /// The same person, also known as this.
    pub(super) fn with(&self, also: Option<RecipientHash>) -> Person {
        let mut person = self.clone();
        person.others.extend(also);
        person
    }

    /// The recipient that was asked for.
    pub(super) const fn recipient(&self) -> RecipientHash {
        self.recipient
    }

    /// All recipients that are this person, the one asked for first.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &RecipientHash> {
        std::iter::once(&self.recipient).chain(&self.others)
    }
}

impl Alias {
    const fn is_live(&self, now_ms: i64) -> bool {
        utc_day(now_ms).saturating_sub(self.day) <= KEPT_DAYS
    }
}

impl AccountState {
    /// Everything a recipient is known as. Allocates nothing for a recipient without an alias.
    pub(super) fn person(&self, recipient: &RecipientHash, now_ms: i64) -> Person {
        let others = self.live_alias(recipient, now_ms).map(|alias| alias.others.clone());
        Person { recipient: *recipient, others: others.unwrap_or_default() }
    }

    fn live_alias(&self, recipient: &RecipientHash, now_ms: i64) -> Option<&Alias> {
        self.aliases.get(recipient).filter(|alias| alias.is_live(now_ms))
    }

    /// Notes that these recipients are one person.
    pub(super) fn learn_alias(&mut self, recipients: &[RecipientHash], now_ms: i64) -> Verdict {
        let Some(person) = self.check_alias(recipients, now_ms) else {
            return Verdict::AliasLearned { changed: false };
        };
        for recipient in &person {
            let others = person.iter().filter(|other| *other != recipient).copied().collect();
            self.note(Row::Alias(*recipient));
            self.put_alias(*recipient, Alias { day: utc_day(now_ms), others });
        }
        Verdict::AliasLearned { changed: true }
    }

    /// The whole person, if there is anything to write: one that has become larger or was not
    /// confirmed lately, is not too large, and finds room.
    fn check_alias(&self, recipients: &[RecipientHash], now_ms: i64) -> Option<Vec<RecipientHash>> {
        let mut person: Vec<RecipientHash> = Vec::new();
        for recipient in recipients {
            for known in self.person(recipient, now_ms).recipients() {
                if !person.contains(known) {
                    person.push(*known);
                }
            }
        }
        if person.len() < 2 || person.len() > MAX_PERSON {
            return None;
        }
        let settled = |recipient: &RecipientHash| {
            self.live_alias(recipient, now_ms).is_some_and(|alias| {
                alias.others.len().saturating_add(1) == person.len()
                    && utc_day(now_ms).saturating_sub(alias.day) < CONFIRMED_DAYS
            })
        };
        if person.iter().all(settled) {
            return None;
        }
        let fits = |recipient: &RecipientHash| {
            self.live_alias(recipient, now_ms).is_some()
                || self.live_in_part(recipient, now_ms).saturating_add(MAX_PERSON) <= MAX_PART
        };
        person.iter().all(fits).then_some(person)
    }

    /// Live aliases whose hash begins with the same ten bits.
    fn live_in_part(&self, recipient: &RecipientHash, now_ms: i64) -> usize {
        let (mut from, mut to) = ([0; 8], [u8::MAX; 8]);
        (from[0], from[1]) = (recipient[0], recipient[1] & 0xc0);
        (to[0], to[1]) = (recipient[0], recipient[1] | 0x3f);
        self.aliases.range(from..=to).filter(|(_, alias)| alias.is_live(now_ms)).count()
    }
}
