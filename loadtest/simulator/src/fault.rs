//! Faults on demand: what goes wrong, whether the message counts as accepted all the same, and when
//! it happens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::random::{Random, fresh_seed};

/// What goes wrong. In JSON: `"reset"`, `{"refuse":{"code":131026}}`, `{"delay":{"ms":500}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// A Graph error with this code. Without `status` the HTTP status is the one Meta's tables give
    /// the code.
    Refuse {
        /// Graph error code.
        code: i64,
        /// HTTP status instead of the usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// A bare HTTP status with an HTML page instead of a Graph error, as of something in front
    /// of Meta; a 3xx leads to another host.
    Status {
        /// HTTP status, 300 to 599.
        status: u16,
    },
    /// HTTP 200 with the HTML page of a captive portal.
    Portal,
    /// A good reply in a content encoding nobody asked for.
    Encoded {
        /// Which one.
        coding: Coding,
    },
    /// A good reply that begins with a byte order mark.
    ByteOrderMark,
    /// Accepts the message at once and replies this much later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Never replies; the connection stays open until the client closes it, at most ten minutes.
    Hang,
    /// Resets the TCP connection instead of replying.
    Reset,
    /// Begins a good reply and resets the connection in the middle of its body.
    Truncate,
    /// HTTP 200 with a body that is not JSON.
    Garbage,
    /// HTTP 200 with contacts but without a message id.
    NoId,
    /// Accepts the message and replies `message_status: held_for_quality_assessment`.
    Held,
    /// Accepts the message and names its recipient in the reply by these, and by nothing else.
    Contact {
        /// `contacts[0].wa_id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wa_id: Option<String>,
        /// `contacts[0].user_id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
    },
}

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// `gzip`.
    Gzip,
    /// `deflate`, in the wrapper of the standard.
    Deflate,
}

/// Which requests a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultScope {
    /// Well-formed messages, after validation (the default). Read receipts are left alone.
    #[default]
    Sends,
    /// Every other Graph request: templates, phone numbers, media, profile, read receipts.
    Reads,
}

/// When a fault strikes. In JSON: `"always"`, `{"next":3}`, `{"every":10}`,
/// `{"recipient":"+16505550144"}`, `{"probability":{"chance":0.01,"seed":7}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultTrigger {
    /// Every request.
    Always,
    /// The next so many requests, then never again.
    Next(u64),
    /// Every k-th request: the k-th, the 2k-th, ...
    Every(u64),
    /// Messages to this recipient: a phone number however it is written, or a business-scoped user
    /// id.
    Recipient(String),
    /// Each request with this chance (0.0 to 1.0), from a generator with this seed; without a seed,
    /// a fresh one.
    Probability {
        /// 0.0 (never) to 1.0 (always).
        chance: f64,
        /// The same seed gives the same sequence.
        #[serde(default)]
        seed: Option<u64>,
    },
}

/// One scripted fault. Rules are tried in the order they were added; the first that strikes
/// decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub action: FaultAction,
    /// When it does.
    #[serde(default = "always")]
    pub when: FaultTrigger,
    /// The message is accepted and counted before the fault strikes. Those that end in a
    /// good reply (`Delay`, `Held`, `Contact`, `Encoded`,
    /// `ByteOrderMark`) accept in any case.
    #[serde(default)]
    pub after_accepting: bool,
    /// Sends (default) or reads.
    #[serde(default)]
    pub on: FaultScope,
}

fn always() -> FaultTrigger {
    FaultTrigger::Always
}

impl Fault {
    /// A fault that strikes every send before it is accepted; narrow it with the methods below.
    pub fn new(action: FaultAction) -> Fault {
        Fault { action, when: FaultTrigger::Always, after_accepting: false, on: FaultScope::Sends }
    }

    /// Refuses with a Graph error and its usual HTTP status.
    pub fn refuse(code: i64) -> Fault {
        Fault::new(FaultAction::Refuse { code, status: None })
    }

    /// Strikes the next `count` requests only.
    pub fn next(mut self, count: u64) -> Fault {
        self.when = FaultTrigger::Next(count);
        self
    }

    /// Strikes every `k`-th request.
    pub fn every(mut self, k: u64) -> Fault {
        self.when = FaultTrigger::Every(k);
        self
    }

    /// Strikes messages to one recipient.
    pub fn for_recipient(mut self, recipient: impl Into<String>) -> Fault {
        self.when = FaultTrigger::Recipient(recipient.into());
        self
    }

    /// Strikes each request with a chance, repeatably.
    pub fn with_chance(mut self, chance: f64, seed: u64) -> Fault {
        self.when = FaultTrigger::Probability { chance, seed: Some(seed) };
        self
    }

    /// Accepts and counts the message first.
    pub fn after_accepting(mut self) -> Fault {
        self.after_accepting = true;
        self
    }

    /// Strikes reads instead of sends.
    pub fn on_reads(mut self) -> Fault {
        self.on = FaultScope::Reads;
        self
    }

    /// Reads a fault in the JSON of `POST /_simulator/faults`; the error names what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Fault, String> {
        let fault: Fault = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        fault.mistake().map_or(Ok(fault), Err)
    }

    /// Returns why this fault cannot be used; `None` if it can.
    pub(crate) fn mistake(&self) -> Option<String> {
        match (&self.action, &self.when) {
            (FaultAction::Status { status }, _) if !(300..=599).contains(status) => {
                Some(format!("status {status} is not between 300 and 599"))
            }
            (FaultAction::Refuse { status: Some(status), .. }, _)
                if !(300..=599).contains(status) =>
            {
                Some(format!("status {status} is not between 300 and 599"))
            }
            (FaultAction::Contact { wa_id, user_id }, _)
                if !wa_id.iter().chain(user_id).all(|name| is_name(name)) =>
            {
                Some("wa_id and user_id are letters, digits and dots".to_owned())
            }
            (_, FaultTrigger::Every(0)) => Some("every must be at least 1".to_owned()),
            (_, FaultTrigger::Probability { chance, .. }) if !(0.0..=1.0).contains(chance) => {
                Some(format!("chance {chance} is not between 0 and 1"))
            }
            (_, FaultTrigger::Recipient(_)) if self.on == FaultScope::Reads => {
                Some("reads have no recipient".to_owned())
            }
            _ => None,
        }
    }

    pub(crate) fn accepts(&self) -> bool {
        self.after_accepting
            || matches!(
                self.action,
                FaultAction::Delay { .. }
                    | FaultAction::Held
                    | FaultAction::Contact { .. }
                    | FaultAction::Encoded { .. }
                    | FaultAction::ByteOrderMark
            )
    }
}

/// The rules in force. While there are none, an atomic count spares each send the lock.
#[derive(Default)]
pub(crate) struct FaultBook {
    count: AtomicUsize,
    rules: Mutex<Vec<Rule>>,
}

struct Rule {
    fault: Fault,
    /// Requests this rule has looked at.
    seen: u64,
    random: Random,
}

impl FaultBook {
    pub(crate) fn add(&self, fault: Fault) {
        let seed = match fault.when {
            FaultTrigger::Probability { seed: Some(seed), .. } => seed,
            _ => fresh_seed(),
        };
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.push(Rule { fault, seen: 0, random: Random::new(seed) });
        self.count.store(rules.len(), Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.clear();
        self.count.store(0, Ordering::Release);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().map(|rule| rule.fault.clone()).collect()
    }

    /// Returns the fault that strikes this request, if any, and removes it if it is used up.
    /// `recipient` is empty for reads.
    pub(crate) fn strike(&self, scope: FaultScope, recipient: &str) -> Option<Fault> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let index =
            rules.iter_mut().position(|rule| rule.fault.on == scope && rule.strikes(recipient))?;
        let fault = rules[index].fault.clone();
        if rules[index].fault.when == FaultTrigger::Next(rules[index].seen) {
            rules.remove(index);
            self.count.store(rules.len(), Ordering::Release);
        }
        Some(fault)
    }
}

impl Rule {
    fn strikes(&mut self, recipient: &str) -> bool {
        self.seen += 1;
        match &self.fault.when {
            FaultTrigger::Always => true,
            FaultTrigger::Next(count) => self.seen <= *count,
            FaultTrigger::Every(k) => self.seen.is_multiple_of(*k),
            FaultTrigger::Recipient(wanted) => same_recipient(wanted, recipient),
            FaultTrigger::Probability { chance, .. } => self.random.chance(*chance),
        }
    }
}

/// Whether a recipient may be named so; nothing in it is escaped in JSON.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// The same text, or phone numbers with the same digits.
fn same_recipient(left: &str, right: &str) -> bool {
    let digits = |text: &str| -> Option<String> {
        let lettered = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        (!lettered).then(|| text.chars().filter(char::is_ascii_digit).collect())
    };
    left == right || matches!((digits(left), digits(right)), (Some(l), Some(r)) if l == r)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts which of ten sends in a row a fault strikes: `x` for each struck one.
    fn check(fault: Fault, expected: &str) {
        let book = FaultBook::default();
        book.add(fault);
        let struck: String = (0..10)
            .map(|_| match book.strike(FaultScope::Sends, "+1 (650) 555-0144") {
                Some(_) => 'x',
                None => '.',
            })
            .collect();
        assert_eq!(struck, expected);
    }

    #[test]
    fn triggers() {
        let reset = || Fault::new(FaultAction::Reset);
        check(reset(), "xxxxxxxxxx");
        check(reset().next(3), "xxx.......");
        check(reset().next(0), "..........");
        check(reset().every(3), "..x..x..x.");
        check(reset().for_recipient("16505550144"), "xxxxxxxxxx");
        check(reset().for_recipient("16505550145"), "..........");
        check(reset().for_recipient("US.16505550144"), "..........");
        check(reset().on_reads(), "..........");
        check(reset().with_chance(1.0, 1), "xxxxxxxxxx");
        check(reset().with_chance(0.5, 1), "...xx...x.");
    }

    #[test]
    fn the_first_rule_that_strikes_decides_and_used_ones_go() {
        let book = FaultBook::default();
        book.add(Fault::refuse(131026).next(1));
        book.add(Fault::refuse(131056).next(2));
        let codes: Vec<_> =
            (0..4).map(|_| book.strike(FaultScope::Sends, "1").map(|fault| fault.action)).collect();
        let refuse = |code| Some(FaultAction::Refuse { code, status: None });
        assert_eq!(codes, [refuse(131026), refuse(131056), refuse(131056), None]);
        assert!(book.list().is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(Fault::refuse(4).every(0).mistake().is_some());
        assert!(Fault::refuse(4).with_chance(1.5, 0).mistake().is_some());
        assert!(Fault::refuse(4).on_reads().for_recipient("1").mistake().is_some());
        let status = FaultAction::Status { status: 200 };
        assert!(Fault::new(status).mistake().is_some());
        assert!(Fault::refuse(4).next(1).mistake().is_none());
    }
}
