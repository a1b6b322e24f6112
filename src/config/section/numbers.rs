//! Numbers, durations and truth values of a table. Those from the environment arrive as text.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Section, Shown};
use crate::catalog::validate::within;
use crate::config::mistake::Origin;
use crate::config::tree::Value;

impl Section<'_> {
    /// A whole number in `range`, `fallback` if it is not written.
    pub fn integer(
        &mut self,
        key: &'static str,
        fallback: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let (value, from_environment) = match (self.take(key), fallback) {
            (Some(node), _) => (node.value, matches!(node.origin, Origin::Environment(_))),
            (None, Some(fallback)) => (Value::Integer(fallback), false),
            (None, None) => return None,
        };
        let number = match &value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if from_environment => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let found = if from_environment { "something else" } else { value.kind() };
            self.mistake(key, format!("must be a whole number, not {found}"));
            return None;
        };
        self.print(key, &Value::Integer(number), Shown::Plain);
        within(&range, &number).map_err(|message| self.mistake(key, message)).ok()?;
        Some(number)
    }

    /// A required whole number in `range`.
    pub fn required_integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = self.integer(key, None, range);
        if number.is_none() && !self.origins.contains_key(key) {
            self.mistake(key, "is required");
        }
        number
    }

    /// A whole number in `range` that fits 32 bits; `fallback` if it is not written.
    pub fn number(
        &mut self,
        key: &'static str,
        fallback: Option<u32>,
        range: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = self.integer(key, fallback.map(i64::from), wide(range))?;
        u32::try_from(number).ok()
    }

    /// A required whole number in `range` that fits 32 bits.
    pub fn required_number(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u32>,
    ) -> Option<u32> {
        self.required_integer(key, wide(range)).and_then(|number| u32::try_from(number).ok())
    }

    /// A count of things; `range` is not negative.
    pub fn count(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<usize> {
        self.required_integer(key, range).and_then(|number| usize::try_from(number).ok())
    }

    /// A duration in milliseconds; `range` is not negative.
    pub fn milliseconds(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Duration> {
        self.required_integer(key, range)
            .and_then(|number| u64::try_from(number).ok())
            .map(Duration::from_millis)
    }

    /// A duration in seconds; `range` is not negative.
    pub fn seconds(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<Duration> {
        self.required_integer(key, range)
            .and_then(|number| u64::try_from(number).ok())
            .map(Duration::from_secs)
    }

    /// True or false, `fallback` if it is not written.
    pub fn boolean(&mut self, key: &'static str, fallback: bool) -> bool {
        let (value, from_environment) = match self.take(key) {
            Some(node) => (node.value, matches!(node.origin, Origin::Environment(_))),
            None => (Value::Boolean(fallback), false),
        };
        let yes = match &value {
            Value::Boolean(yes) => Some(*yes),
            Value::Text(text) if from_environment => text.trim().parse().ok(),
            _ => None,
        };
        match yes {
            Some(yes) => self.print(key, &Value::Boolean(yes), Shown::Plain),
            None => self.mistake(key, format!("must be true or false, not {}", value.kind())),
        }
        yes.unwrap_or(fallback)
    }
}

fn wide(range: &RangeInclusive<u32>) -> RangeInclusive<i64> {
    i64::from(*range.start())..=i64::from(*range.end())
}
