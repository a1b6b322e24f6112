//! The rules by which a number's spellings become one, by calling code. They are data, compiled in.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::sync::LazyLock;

use super::pattern::Pattern;
use crate::pricing::recipient::PhoneNumber;

static BUILTIN: LazyLock<SpellingTable> = LazyLock::new(|| {
    SpellingTable::parse(include_str!("../../../config/rates/spellings.csv"))
        .expect("the compiled-in spellings are read by a unit test")
});

/// Rules applied to one number at most; a test shows that no number needs more.
const MOST_RULES: usize = 4;

/// All rules.
#[derive(Debug)]
pub(super) struct SpellingTable {
    rules: Vec<Rule>,
    /// By the first three digits of a number: the rules of its calling code.
    by_start: Vec<std::ops::Range<usize>>,
}

/// Whoever has the number `kept dropped rest` has the number `kept put rest`.
#[derive(Debug)]
struct Rule {
    calling_code: Box<str>,
    kept: Vec<Pattern>,
    dropped: Vec<Pattern>,
    put: Box<[u8]>,
    rest: Vec<Pattern>,
}

impl SpellingTable {
    /// The compiled-in table.
    pub(super) fn builtin() -> &'static SpellingTable {
        &BUILTIN
    }

    /// The one spelling of a number.
    pub(super) fn one_spelling(&self, number: &PhoneNumber) -> PhoneNumber {
        let mut current = number.with_plus();
        for _ in 0..MOST_RULES {
            match self.rules_of(&current).iter().find_map(|rule| rule.rewrite(&current)) {
                Some(next) => current = next,
                None => break,
            }
        }
        current
    }

    /// The calling codes that have rules.
    #[cfg(test)]
    pub(super) fn calling_codes(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| &*rule.calling_code).collect()
    }

    fn rules_of(&self, number: &PhoneNumber) -> &[Rule] {
        let start = number.digits().get(..3).and_then(|start| start.parse::<usize>().ok());
        start
            .and_then(|start| self.by_start.get(start))
            .and_then(|range| self.rules.get(range.clone()))
            .unwrap_or_default()
    }

    /// Columns: `calling_code`, kept, dropped, put, rest, source. Alternatives are separated by
    /// spaces, rules of one calling code follow one another, and the first that matches applies.
    fn parse(text: &str) -> Result<SpellingTable, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut rules = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let cell = |at: usize| record.get(at).unwrap_or_default();
            let patterns = |at: usize| -> Result<Vec<Pattern>, String> {
                match cell(at) {
                    "" => Ok(vec![Pattern::parse("")?]),
                    alternatives => alternatives.split(' ').map(Pattern::parse).collect(),
                }
            };
            let rule = Rule {
                calling_code: cell(0).into(),
                kept: patterns(1)?,
                dropped: patterns(2)?,
                put: cell(3).as_bytes().into(),
                rest: patterns(4)?,
            };
            let fixed = rule.kept.iter().chain(&rule.dropped).all(|part| part.length().is_some());
            if !fixed || !rule.put.iter().all(u8::is_ascii_digit) {
                return Err(format!("a rule of +{} has parts of any length", cell(0)));
            }
            rules.push(rule);
        }
        let by_start = (0..1000).map(|start: u16| range_of(&rules, &start.to_string())).collect();
        Ok(SpellingTable { rules, by_start })
    }
}

/// The rules whose calling code a number that begins so has.
fn range_of(rules: &[Rule], start: &str) -> std::ops::Range<usize> {
    let applies = |rule: &Rule| start.starts_with(&*rule.calling_code);
    let from = rules.iter().position(applies).unwrap_or(0);
    from..rules.iter().rposition(applies).map_or(from, |last| last.saturating_add(1))
}

impl Rule {
    /// The number as this rule writes it; `None` if the rule does not match.
    fn rewrite(&self, number: &PhoneNumber) -> Option<PhoneNumber> {
        let digits = number.digits().as_bytes();
        let national = digits.get(self.calling_code.len()..)?;
        for kept in &self.kept {
            let Some((begin, after)) = split(national, kept) else { continue };
            for dropped in &self.dropped {
                let Some((_, rest)) = split(after, dropped) else { continue };
                if self.rest.iter().any(|pattern| pattern.matches(rest)) {
                    let code = self.calling_code.as_bytes();
                    return PhoneNumber::from_parts(&[code, begin, &self.put, rest]);
                }
            }
        }
        None
    }
}

/// Cuts off what a pattern of fixed length matches at the beginning.
fn split<'a>(digits: &'a [u8], pattern: &Pattern) -> Option<(&'a [u8], &'a [u8])> {
    let (begin, rest) = digits.split_at_checked(pattern.length()?)?;
    pattern.matches(begin).then_some((begin, rest))
}
