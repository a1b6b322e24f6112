//! Observe mode: what a limit would have refused goes on, and the first such limit is remembered.

use super::context::SendContext;
use super::rejected::Rejected;
use crate::rejection::RejectionKind;

/// The first limit that would have refused a send of an account that only observes.
#[derive(Default)]
pub struct Observed(Option<RejectionKind>);

impl Observed {
    /// A limit's decision: it holds, or is remembered.
    pub fn limit(
        &mut self,
        context: &SendContext,
        decision: Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        match decision {
            Err(rejected) if context.observes() => {
                self.0 = self.0.or(Some(rejected.kind));
                Ok(())
            }
            decision => decision,
        }
    }

    /// The first of all, with what the ledger noted after them.
    pub fn or(self, in_ledger: Option<RejectionKind>) -> Option<RejectionKind> {
        self.0.or(in_ledger)
    }
}
