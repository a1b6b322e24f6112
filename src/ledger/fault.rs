//! What breaks in a ledger, and under which word of a closed list that is reported.

use std::fmt;
use std::ops::Deref;

/// Something broke; nothing is known to have been written unless said otherwise. Never a business
/// "no", which is a [`Rejection`](super::Rejection).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// No answer in time, or no connection: whether the batch was written is unknown. It may be
    /// repeated under its number.
    #[error("the ledger did not answer: {0}")]
    Unavailable(Cause),
    /// The ledger refused the whole batch and wrote nothing.
    #[error("the ledger refused the batch: {0}")]
    Refused(Cause),
    /// The ledger is not accepting work until an operator acts.
    #[error("the ledger is closed: {0}")]
    Closed(Cause),
}

impl LedgerFault {
    /// The word for probes and metrics.
    pub fn reason(&self) -> FaultReason {
        match self {
            LedgerFault::Unavailable(cause) => cause.reason.unwrap_or(FaultReason::NoAnswer),
            LedgerFault::Refused(cause) => cause.reason.unwrap_or(FaultReason::Other),
            LedgerFault::Closed(cause) => cause.reason.unwrap_or(FaultReason::Closed),
        }
    }
}

/// A sentence for people and, if it is known, the word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    reason: Option<FaultReason>,
    text: String,
}

impl Cause {
    /// A sentence with its word.
    pub fn new(reason: FaultReason, text: impl Into<String>) -> Cause {
        Cause { reason: Some(reason), text: text.into() }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Cause {
        text.to_owned().into()
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Cause {
        Cause { reason: None, text }
    }
}

impl Deref for Cause {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Why a ledger cannot decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// No answer within the deadline, or no connection.
    NoAnswer,
    /// The store is still reading its own file.
    Loading,
    /// The store is a replica that takes no writes.
    ReadOnly,
    /// Fewer replicas are connected than a write needs (`min-replicas-to-write`).
    TooFewReplicas,
    /// The store is out of memory (`maxmemory`).
    OutOfMemory,
    /// The store cannot write its own file, and takes no writes until it can.
    NotPersisting,
    /// The disk of an embedded ledger is full.
    DiskFull,
    /// The file of an embedded ledger cannot be written.
    Unwritable,
    /// The store does not permit this gateway what it needs.
    NotPermitted,
    /// The clocks of gateway and store differ too much.
    ClockSkew,
    /// The address has another ledger now, or none.
    AnotherLedger,
    /// The store has lost writes, and the accounts it concerns are closed.
    Frozen,
    /// The ledger was shut down, or ended after a fault.
    Closed,
    /// Anything else.
    Other,
}

impl FaultReason {
    /// All of them, in order of their discriminants.
    pub const ALL: [FaultReason; 14] = [
        FaultReason::NoAnswer,
        FaultReason::Loading,
        FaultReason::ReadOnly,
        FaultReason::TooFewReplicas,
        FaultReason::OutOfMemory,
        FaultReason::NotPersisting,
        FaultReason::DiskFull,
        FaultReason::Unwritable,
        FaultReason::NotPermitted,
        FaultReason::ClockSkew,
        FaultReason::AnotherLedger,
        FaultReason::Frozen,
        FaultReason::Closed,
        FaultReason::Other,
    ];

    /// The word in `/readyz` and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            FaultReason::NoAnswer => "no_answer",
            FaultReason::Loading => "loading",
            FaultReason::ReadOnly => "read_only",
            FaultReason::TooFewReplicas => "too_few_replicas",
            FaultReason::OutOfMemory => "out_of_memory",
            FaultReason::NotPersisting => "not_persisting",
            FaultReason::DiskFull => "disk_full",
            FaultReason::Unwritable => "unwritable",
            FaultReason::NotPermitted => "not_permitted",
            FaultReason::ClockSkew => "clock_skew",
            FaultReason::AnotherLedger => "another_ledger",
            FaultReason::Frozen => "frozen",
            FaultReason::Closed => "closed",
            FaultReason::Other => "other",
        }
    }
}

/// The refusal of a batch made by a gateway whose clock is `skew_ms` behind the ledger's.
pub(super) fn clock_skew(skew_ms: i64) -> LedgerFault {
    let text = format!(
        "this gateway's clock is {skew_ms} ms behind the ledger's, at most 60000 either way"
    );
    LedgerFault::Refused(Cause::new(FaultReason::ClockSkew, text))
}

#[cfg(test)]
mod tests {
    use super::{Cause, FaultReason, LedgerFault};
    use crate::metrics::Metrics;

    #[test]
    fn every_reason_has_a_series() {
        let metrics = Metrics::new(0);
        let words = FaultReason::ALL.map(FaultReason::as_str);
        words.iter().for_each(|word| metrics.ledger_fault(word));
        let page = metrics.render();
        for word in words {
            let series = format!("ledger_faults_total{{reason=\"{word}\"}} 1");
            assert!(page.lines().any(|line| line.ends_with(&series)), "no {series} in\n{page}");
        }
    }

    #[test]
    fn a_fault_has_a_word_even_if_nobody_named_one() {
        for (fault, reason) in [
            (LedgerFault::Unavailable("x".into()), FaultReason::NoAnswer),
            (LedgerFault::Refused("x".into()), FaultReason::Other),
            (LedgerFault::Closed("x".into()), FaultReason::Closed),
            (LedgerFault::Unavailable(Cause::new(FaultReason::Loading, "x")), FaultReason::Loading),
        ] {
            assert_eq!(fault.reason(), reason, "{fault:?}");
        }
    }
}
