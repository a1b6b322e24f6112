//! GRAMMAR

use std::collections::BTreeMap;

use tollgate::ids::HoldId;

use crate::support::time::{DAY, HOUR, MINUTE, SECOND};

/// Holds by the labels that the script gave them.
pub type Labels = BTreeMap<String, HoldId>;

/// One line: words, some of them `name=value`.
pub struct Line<'a>(Vec<&'a str>);

impl<'a> Line<'a> {
    /// The part of the line before its answer.
    pub fn parse(line: &'a str) -> Line<'a> {
        let command = line.split_once("->").map_or(line, |(command, _)| command);
        Line(command.trim_start_matches('&').split_whitespace().collect())
    }

    pub fn verb(&self) -> &'a str {
        self.word(0)
    }

    pub fn word(&self, index: usize) -> &'a str {
        self.0.get(index).unwrap_or_else(|| panic!("{:?} lacks its word {index}", self.0))
    }

    pub fn word_or(&self, index: usize, otherwise: &'a str) -> &'a str {
        self.0.get(index).copied().unwrap_or(otherwise)
    }

    /// The value of `name=value`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }
}

/// `1500ms`, `90s`, `5m`, `24h`, `31d`, and sums of them: `23h+59m+59s`. A leading minus counts for
/// the whole.
pub fn span_ms(text: &str) -> i64 {
    if let Some(back) = text.strip_prefix('-') {
        return -span_ms(back);
    }
    let one = |part: &str| {
        let digits = part.trim_end_matches(char::is_alphabetic);
        let unit = match &part[digits.len()..] {
            "ms" => 1,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            other => panic!("{other:?} is no unit of time"),
        };
        digits.parse::<i64>().unwrap() * unit
    };
    text.split('+').map(one).sum()
}
