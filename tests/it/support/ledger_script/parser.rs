//! The grammar of ledger scripts: a case is a table of operations, with the whole verdict on each.
//!
//! ```text
//! # Two credits, one message.
//! top-up main 2.00 pay-1            -> posted 2.00 balance 2.00
//! send a campaign=diwali to=r1      -> held 1.00 left 1.00
//! later 90s
//! settle a                          -> settled 1.00
//! & send b category=utility         -> held 1.00 left 0.00
//! show wallet main                  -> settled 1.00 held 1.00 available 0.00
//! ```
//!
//! - A line is `VERB WORD... NAME=VALUE... -> VERDICT`. Words follow the verb in order;
//!   `name=value` and bare options (`external`, `dedupe`) come in any order.
//! - A line that ends with `\` goes on in the next one; empty lines and lines that begin with `#`
//!   are left out.
//! - `->` is followed by everything that the ledger returns for the line, in the words of
//!   [`super::render`]. A line without it expects nothing: steps in time return nothing, so an
//!   operation or a question without `->` fails.
//! - `&` puts an operation into the batch of the line before it. A line without `&` begins a batch
//!   of its own. A batch that is refused whole returns the fault on each of its lines.
//! - A *label* names a hold: `send a` gives it, `settle a`, `show hold a` and verdicts use it. A
//!   label that no line gave is a hold that never was.
//! - A *span* is `1500ms`, `90s`, `5m`, `24h`, `31d` or a sum such as `23h+59m+59s`; a minus in
//!   front counts for the whole. Amounts are credits with two to six decimals.
//!
//! | verb | words | options |
//! | --- | --- | --- |
//! | `send` | LABEL | see [`super::operations::send`], with the value of each if left out |
//! | `settle` | LABEL | `id=MESSAGE` (`wamid.1`), `without-id` |
//! | `release` | LABEL REASON (`not-sent`), `operator` or `refused=CODE` | |
//! | `doubt`, `abandon` | LABEL | |
//! | `unheard` | LABEL BODY (the label) | `price=` (1.00), `id=MESSAGE` (`wamid.1`) |
//! | `hear` | LABEL BODY (the label) | |
//! | `top-up` | WALLET AMOUNT REFERENCE | |
//! | `adjust` | WALLET AMOUNT REFERENCE REASON (empty) | |
//! | `wallet` | WALLET | `limit=AMOUNT`, `low=AMOUNT,...`; left out: kept as it is |
//! | `document` | KIND/ID BODY | `if-absent` |
//! | `delete` | KIND/ID | |
//! | `create` | CAMPAIGN | `name=`, `wallet=`, `budget=`, `dedupe`, `exempt` |
//! | `stop` | CAMPAIGN REASON | |
//! | `restart`, `finish` | CAMPAIGN | |
//! | `count` | CAMPAIGN REJECTION COUNT | |
//! | `alias` | RECIPIENT~RECIPIENT | |
//! | `sweep` | | `open=SPAN`, `doubt=SPAN`, `release` (else charge) |
//! | `later` | SPAN: the clock advances | |
//! | `at` | SPAN: the clock is set to that long after the beginning of the case | |
//! | `show` | `wallet`, `campaign` or `hold` and its name; `entries` WALLET; `window` PORTFOLIO | |
//! | `show` | `holds`, `usage`; `events`: those since the last `show events` | |
//!
//! Every operation takes `clock=SPAN`: how far the clock of the gateway that sends it is off.

use std::collections::BTreeMap;

use tollgate::ids::HoldId;

use crate::support::time::{DAY, HOUR, MINUTE, SECOND};

/// Holds by the labels that the script gave them.
pub type Labels = BTreeMap<String, HoldId>;

/// The lines of a script, each whole, without comments and empty ones.
pub fn lines(script: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let begun = line.strip_suffix('\\').map(str::trim_end);
        let text = begun.unwrap_or(line);
        match lines.last_mut() {
            Some(last) if goes_on => {
                last.push(' ');
                last.push_str(text);
            }
            _ => lines.push(text.to_owned()),
        }
        goes_on = begun.is_some();
    }
    lines
}

/// One line: words, some of them `name=value`.
pub struct Line<'a>(Vec<&'a str>);

impl<'a> Line<'a> {
    /// Reads the part of a line before its verdict.
    pub fn parse(line: &'a str) -> Line<'a> {
        let command = line.split_once("->").map_or(line, |(command, _)| command);
        Line(command.trim_start_matches('&').split_whitespace().collect())
    }

    /// The first word.
    pub fn verb(&self) -> &'a str {
        self.word(0)
    }

    /// A word by its index, the verb's being 0; fails if there is none.
    pub fn word(&self, index: usize) -> &'a str {
        self.0.get(index).unwrap_or_else(|| panic!("{:?} lacks its word {index}", self.0))
    }

    /// A word by its index, or `otherwise` if there is none.
    pub fn word_or(&self, index: usize, otherwise: &'a str) -> &'a str {
        self.0.get(index).copied().unwrap_or(otherwise)
    }

    /// The value of `name=value`.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether an option is given.
    pub fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }
}

/// A span in milliseconds.
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
