//! How the embedded ledger's thread replies to those who ask: after the commit.

use tokio::sync::oneshot;

use crate::ledger::LedgerFault;

/// The receiver of a result.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerFault>>;

/// A change of the cross-account names.
pub(super) enum Claim {
    /// Take it if it is free; returns the owner.
    Take(String, Answer<String>),
    /// Give it up if it is the owner's.
    Give(String, Answer<()>),
}

/// An answer that waits for the commit.
pub(super) type Pending = Box<dyn FnOnce(Option<LedgerFault>) + Send>;

/// An answer as it will be given, unless the commit fails.
pub(super) fn pending<T: Send + 'static>(
    answer: Answer<T>,
    value: Result<T, LedgerFault>,
) -> Pending {
    Box::new(move |fault| {
        let _ = answer.send(fault.map_or(value, Err));
    })
}
