//! Settle: what upstream did decides what becomes of the hold. Queued, not awaited: the client's
//! reply does not wait for it, except if the outcome is unknown.

use std::sync::Arc;

use super::alias;
use super::context::SendContext;
use super::hangup::ClientState;
use super::rejected::Rejected;
use super::reserve::Held;
use super::service::SendService;
use crate::ledger::{Answer, CalendarSpan, DoubtReason, Operation, RefusalCode, ReleaseReason};
use crate::pricing::{Quote, Recipient};
use crate::rejection::RejectionKind;
use crate::upstream::client::Attempt;
use crate::upstream::outcome::{self, Outcome, RefusedBy, UnknownReason};

/// The reply after a forward.
pub enum Settled {
    /// Upstream's own: it accepted, or refused.
    Answered(Outcome),
    /// The gateway's own: nothing was sent, or the outcome is unknown.
    Rejected(Rejected),
}

/// Resolves the hold by what came of the attempt.
pub async fn settle(
    service: &SendService,
    context: &SendContext,
    quote: &Quote,
    held: &Held,
    sent_to: &Recipient,
    attempt: &Attempt,
    client: &ClientState,
) -> Settled {
    let outcome = match attempt {
        Attempt::Answered { status, headers, body } => outcome::judge(*status, headers, body),
        Attempt::NotSent { reason } => {
            post(service, context, held, |hold| Operation::Release {
                hold,
                reason: ReleaseReason::NotSent,
            });
            client.resolved();
            let what = "nothing was sent, and what was held is free again";
            return Settled::Rejected(Rejected::unreachable(reason.as_str(), what));
        }
        Attempt::Unknown { reason } => Outcome::Unknown { reason: *reason },
    };
    match &outcome {
        Outcome::Accepted { message_id, contact } => {
            let day =
                CalendarSpan::day(&context.snapshot.time_zone, service.services.clock.now_ms());
            let message_id: Arc<str> = Arc::from(message_id.as_str());
            client.accepted(answer(held, &message_id), || {
                let message_id = Some(message_id);
                post(service, context, held, |hold| Operation::Settle { hold, message_id, day });
            });
            let (hasher, metrics) = (service.services.catalog.hasher(), &service.services.metrics);
            if let Some(operation) = alias::learned(hasher, metrics, sent_to, contact) {
                post(service, context, held, |_| operation);
            }
            service.services.metrics.charged(
                &context.snapshot.account.currency,
                quote.category.as_str(),
                quote.country.as_str(),
                held.amount,
            );
        }
        Outcome::Refused { by } => {
            let code = count_refusal(service, *by);
            post(service, context, held, |hold| Operation::Release {
                hold,
                reason: ReleaseReason::Refused(code),
            });
        }
        Outcome::Unknown { reason } => {
            return Settled::Rejected(unknown(service, context, held, *reason, client).await);
        }
    }
    client.resolved();
    Settled::Answered(outcome)
}

/// What is kept for a repeat if nobody hears of it.
fn answer(held: &Held, message_id: &Arc<str>) -> Option<Answer> {
    let (hold, fingerprint) = (held.hold?, held.body?);
    Some(Answer { hold, fingerprint, amount: held.amount, message_id: message_id.clone() })
}

/// Leaves the hold in doubt; the rejection for the client.
async fn unknown(
    service: &SendService,
    context: &SendContext,
    held: &Held,
    reason: UnknownReason,
    client: &ClientState,
) -> Rejected {
    service.services.metrics.upstream_error(None);
    post(service, context, held, |hold| Operation::MarkInDoubt { hold, reason: doubt(reason) });
    client.resolved();
    // A client may repeat as soon as it has the reply, and at another gateway: by then the hold
    // must guard its body everywhere. Without the ledger that cannot be had, and the reply waits no
    // longer than the deadline.
    let _ = service.services.batcher.drain(&context.snapshot.id).await;
    let hold = held.hold.map(|hold| format!(" (hold {hold})")).unwrap_or_default();
    let details = format!(
        "the message was forwarded and it is not known whether it was sent: {}{hold}; do not send \
         it again",
        reason.as_str()
    );
    Rejected::new(RejectionKind::OutcomeUnknown, details).in_ledger()
}

/// Counts a refusal; returns under what its campaign counts it.
fn count_refusal(service: &SendService, by: RefusedBy) -> RefusalCode {
    match by {
        RefusedBy::Graph { code } => {
            service.services.metrics.upstream_error(Some(code));
            RefusalCode::Graph(code)
        }
        RefusedBy::Intermediary { status } => {
            service.services.metrics.refused_by_intermediary();
            RefusalCode::Intermediary(status)
        }
    }
}

/// The reason as the hold keeps it.
const fn doubt(reason: UnknownReason) -> DoubtReason {
    match reason {
        UnknownReason::Deadline => DoubtReason::Deadline,
        UnknownReason::ConnectionLost => DoubtReason::ConnectionLost,
        UnknownReason::UnreadableAnswer => DoubtReason::UnreadableAnswer,
        UnknownReason::NoMessageId => DoubtReason::NoMessageId,
        UnknownReason::GaveUp => DoubtReason::GaveUp,
        UnknownReason::ServerError => DoubtReason::ServerError,
        UnknownReason::UnexpectedStatus => DoubtReason::UnexpectedStatus,
    }
}

fn post(
    service: &SendService,
    context: &SendContext,
    held: &Held,
    operation: impl FnOnce(crate::ids::HoldId) -> Operation,
) {
    if let Some(hold) = held.hold {
        service.services.batcher.post(&context.snapshot.id, operation(hold));
    }
}
