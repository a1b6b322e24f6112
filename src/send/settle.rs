//! Settle: what upstream did decides what becomes of the hold. Queued, not awaited: the client's
//! answer does not wait for it, except where the outcome is unknown.

use std::sync::Arc;

use super::SendWay;
use super::authenticate::Caller;
use super::rejection::Rejected;
use super::reserve::Held;
use super::waiting::Waiting;
use crate::ledger::{CalendarSpan, Operation, ReleaseReason};
use crate::pricing::Quote;
use crate::upstream::client::Attempt;
use crate::upstream::outcome::{self, Outcome};

/// What is answered after a forward.
pub enum Settled {
    /// Upstream's own answer: it accepted, or refused.
    Answered(Outcome),
    /// Ours.
    Rejected(Rejected),
}

/// Resolves the hold by what came of the attempt.
pub async fn settle(
    way: &SendWay,
    caller: &Caller,
    quote: &Quote,
    held: &Held,
    attempt: &Attempt,
    waiting: &Waiting,
) -> Settled {
    let outcome = match attempt {
        Attempt::Answered { status, body, .. } => outcome::judge(*status, body),
        Attempt::NotSent { reason } => {
            post(way, caller, held, |hold| Operation::Release {
                hold,
                reason: ReleaseReason::NotSent,
            });
            waiting.resolved();
            let details = format!(
                "upstream could not be reached ({}); nothing was sent, and what was held is free again",
                reason.as_str()
            );
            return Settled::Rejected(
                Rejected::new("upstream_unreachable", details).retry_after(1),
            );
        }
        Attempt::Unknown { reason } => Outcome::Unknown { reason: *reason },
    };
    match &outcome {
        Outcome::Accepted { message_id } => {
            let day = CalendarSpan::day(&caller.snapshot.time_zone, way.services.clock.now_ms());
            post(way, caller, held, |hold| Operation::Settle {
                hold,
                message_id: Some(Arc::from(message_id.as_str())),
                day,
            });
            way.services.metrics.charged(
                &caller.snapshot.account.currency,
                quote.category.as_str(),
                quote.country.as_str(),
                held.amount,
            );
        }
        Outcome::Refused { code } => {
            way.services.metrics.upstream_error(Some(*code));
            post(way, caller, held, |hold| Operation::Release {
                hold,
                reason: ReleaseReason::Refused(*code),
            });
        }
        Outcome::Unknown { reason } => {
            way.services.metrics.upstream_error(None);
            post(way, caller, held, |hold| Operation::MarkInDoubt { hold });
            waiting.resolved();
            // A client may repeat as soon as it is told, and at another gateway: by then the hold
            // must guard its body everywhere. Where the ledger is away nothing is forwarded anyway.
            let _ = way.services.batcher.drain(&caller.snapshot.id).await;
            let hold = held.hold.map(|hold| format!(" (hold {hold})")).unwrap_or_default();
            let details = format!(
                "the message was forwarded and it is not known whether it was sent: {}{hold}; do not send it again",
                reason.as_str()
            );
            return Settled::Rejected(Rejected::new("outcome_unknown", details));
        }
    }
    waiting.resolved();
    Settled::Answered(outcome)
}

fn post(
    way: &SendWay,
    caller: &Caller,
    held: &Held,
    operation: impl FnOnce(crate::ids::HoldId) -> Operation,
) {
    if let Some(hold) = held.hold {
        way.services.batcher.post(&caller.snapshot.id, operation(hold));
    }
}
