//! One send on its way: [`handle`] ties it to its connection, `run` is its one exit, and `process`
//! is the spine that names every stage in order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use super::context::SendContext;
use super::fingerprints::Fingerprints;
use super::forward::{forward, target, without_token};
use super::hangup::{ClientState, HangupGuard};
use super::heard::Heard;
use super::in_flight::InFlightBody;
use super::log::SendLog;
use super::message::{self, Message};
use super::observe::Observed;
use super::outliving::Outliving;
use super::rejected::Rejected;
use super::reply::{self, Reply};
use super::reserve::{self, Decision, Held, NewHold, Replay};
use super::route::SendRoute;
use super::service::SendService;
use super::settle::{Settled, settle};
use super::{accept, authenticate, classify};
use crate::amount::Amount;
use crate::http::body::BodyRoom;
use crate::http::peer::Peer;
use crate::http::request_id::RequestId;
use crate::ledger::{Operation, ReleaseReason};
use crate::metrics::{SendOutcome, Stage, StageTimer};
use crate::pricing::{Quote, Recipient};
use crate::rejection::RejectionKind;
use crate::upstream::client::Attempt;
use crate::upstream::outcome::{Outcome, answered_by};

/// Settings and prices may change while a send is decided; more often than this in a row they do
/// not.
const TRIES: usize = 4;

/// Carries one send from its request to its reply. The send goes on if the client disconnects.
pub async fn handle(
    service: &Arc<SendService>,
    route: SendRoute,
    request: Request<Incoming>,
) -> Response<Heard> {
    let client = ClientState::new(service.services.batcher.clone());
    let guard = HangupGuard::new(client.clone());
    let request_id = RequestId::of(request.headers(), service.services.clock.now_ms());
    let peer = request.extensions().get::<Peer>().cloned();
    let version = request.version();
    let send = SendRequest {
        service: service.clone(),
        route,
        client: client.clone(),
        request_id: request_id.clone(),
    };
    let mut sending = pin!(Outliving::new(service.tasks.track_future(send.run(request))));
    let mut finished = false;
    let sent = poll_fn(|cx| {
        // The connection reads the end of its client's stream before it polls what is in work.
        if !finished && peer.as_ref().is_some_and(|peer| peer.finished.is_cancelled()) {
            finished = true;
            client.finished();
        }
        sending.as_mut().poll(cx)
    })
    .await;
    match sent {
        Ok(reply) => reply.map(|body| Heard::new(body, guard, version)),
        // The guard is dropped without a reply, which makes the hold guard its body.
        Err(error) => {
            tracing::error!(
                %error,
                request_id = %request_id,
                "a send ended unexpectedly; its hold is resolved by the sweep"
            );
            let details = "the gateway failed while it carried this message";
            let rejected = Rejected::new(RejectionKind::OutcomeUnknown, details);
            reply::rejection(&rejected, None, &request_id).map(Heard::from)
        }
    }
}

/// One send and what it is processed with.
struct SendRequest {
    service: Arc<SendService>,
    route: SendRoute,
    client: Arc<ClientState>,
    request_id: RequestId,
}

impl SendRequest {
    /// Every send leaves through here: counted, logged, replied to.
    async fn run(self, request: Request<Incoming>) -> Reply {
        let metrics = &self.service.services.metrics;
        let mut timer = StageTimer::start(metrics);
        let _counted = metrics.in_flight();
        let (head, body) = request.into_parts();
        let mut log = SendLog::default();
        let result = self.process(&head, body, &mut log, &mut timer).await;
        if let Some(rejection) = log.observed {
            metrics.observed_rejection(rejection);
        }
        let (reply, rejected) = match result {
            Ok(reply) => (reply, None),
            Err(rejected) => {
                metrics.rejection(rejected.kind);
                self.count_on_campaign(&log, &rejected);
                let currency = log.currency.as_deref();
                (reply::rejection(&rejected, currency, &self.request_id), Some(rejected))
            }
        };
        let gone = |rejected: &Rejected| rejected.kind == RejectionKind::ClientGone;
        let outcome = match log.outcome {
            Some(outcome) => outcome,
            None if rejected.as_ref().is_some_and(gone) => SendOutcome::HungUp,
            None => SendOutcome::Rejected,
        };
        metrics.send(outcome, log.category.unwrap_or("none"));
        let elapsed = timer.finish();
        let channel_id = &self.route.channel_id;
        log.write(&self.request_id, channel_id, outcome, rejected.as_ref(), &reply, elapsed);
        reply
    }

    /// What was refused here, the ledger counts later.
    fn count_on_campaign(&self, log: &SendLog, rejected: &Rejected) {
        if let (Some(account), Some(campaign), false) =
            (&log.account, &log.campaign, rejected.in_ledger)
        {
            self.service.services.uncounted.add(account, campaign, rejected.kind);
        }
    }

    /// All the stages of a send, in order.
    async fn process(
        &self,
        head: &Parts,
        body: Incoming,
        log: &mut SendLog,
        timer: &mut StageTimer<'_>,
    ) -> Result<Reply, Rejected> {
        let (service, client, id) = (&*self.service, &*self.client, &self.request_id);
        // Accept.
        let _permit = service.permit()?;
        // Authenticate.
        let mut context = authenticate::authenticate(service, head, &self.route, log).await?;
        let _share = service.account_permit(&context.snapshot.id)?;
        timer.end(Stage::Authenticate);
        // Parse.
        let key = accept::check_head(head)?;
        let mut room = service.body_memory.room(&context.snapshot.id);
        let body = self.body(body, &mut room).await?;
        let message = message::parse(&body, self.route.endpoint).map_err(malformed)?;
        let Message::Send(message) = message else {
            log.outcome = Some(SendOutcome::ReadReceipt);
            return self.forward_read_receipt(&context, &head.headers, body.clone(), timer).await;
        };
        let addressee = classify::addressee(&message, &service.options, &context.channel)?;
        let recipient = &addressee.recipient;
        log.recipient = Some(recipient.clone());
        let prints = self.fingerprints(&context, (&body, &message), key, recipient);
        timer.end(Stage::Parse);
        let in_flight = service.in_flight_bodies.enter(&context.snapshot.id, prints.body).await;
        let (mut tries, mut observed) = (0, Observed::default());
        let (target, path, quote, held) = loop {
            // Classify, price.
            observed.limit(&context, classify::check_known(&context, &message))?;
            let quote = classify::quote(service, &context, &message, recipient)?;
            log.category = Some(quote.category.as_str());
            let target = target(service, &context.snapshot, &context.channel_id)?;
            let path = classify::forwarded_path(&context, &message, &self.route)?;
            timer.end(Stage::Price);
            // Throttle.
            if tries == 0 {
                // A stopped campaign takes nothing of its channel's throughput.
                reserve::check_stopped(service, &context)?;
                observed.limit(&context, service.throttle.pass(&context).await)?;
                timer.end(Stage::Throttle);
            }
            // Reserve.
            match self.reserve(&context, &quote, &prints, &in_flight, timer).await? {
                Decision::Forward(held) => break (target, path, quote, held),
                Decision::Replay(replay) => {
                    log.outcome = Some(SendOutcome::Replayed);
                    self.replays(&context, &prints, &replay);
                    return Ok(reply::replay(&replay, &message, &context, &quote, id));
                }
                Decision::Again => tries = next_try(tries)?,
            }
            context = authenticate::reload(service, head, &self.route, &context, log).await?;
        };
        log.held(&held, observed.or(held.observed));
        // Forward.
        let body = classify::forwarded_body(&body, addressee.plus_at);
        let attempt = forward(service, &target, &path, &head.headers, body).await;
        timer.end(Stage::Forward);
        // Settle.
        let settled = settle(service, &context, &quote, &held, recipient, &attempt, client).await;
        // Reply.
        let shown = without_token(attempt, &target.token);
        self.reply(&context, &quote, &held, shown, settled, log)
    }

    async fn body(&self, body: Incoming, room: &mut BodyRoom<'_>) -> Result<Bytes, Rejected> {
        let body = accept::body(body, &self.service.options, room).await?;
        self.client.asked();
        Ok(body)
    }

    fn fingerprints(
        &self,
        context: &SendContext,
        body: (&[u8], &message::Send<'_>),
        key: Option<&[u8]>,
        recipient: &Recipient,
    ) -> Fingerprints {
        let hasher = self.service.services.catalog.hasher();
        let endpoint = self.route.endpoint;
        Fingerprints::of(hasher, &context.channel_id, endpoint, body, key, recipient)
    }

    /// The ledger's decision, or `Forward` with nothing held if the send touches nothing the ledger
    /// keeps.
    async fn reserve(
        &self,
        context: &SendContext,
        quote: &Quote,
        fingerprints: &Fingerprints,
        body: &InFlightBody,
        timer: &mut StageTimer<'_>,
    ) -> Result<Decision, Rejected> {
        if !reserve::needs_ledger(context, fingerprints) {
            return Ok(Decision::Forward(Held::NOTHING));
        }
        if self.client.is_gone() {
            return Err(client_gone());
        }
        let services = &self.service.services;
        let hold = services.batcher.hold(&context.snapshot.id);
        let new = NewHold { id: hold, guarding: self.client.is_finished() };
        let decision = reserve::reserve(&self.service, context, quote, fingerprints, new).await;
        timer.end(Stage::Reserve);
        let account = &context.snapshot.id;
        if let Ok(Decision::Forward(_)) = &decision
            && !self.client.holds(account, new, body)
        {
            // Its repeat may have been let through meanwhile: this one must not be sent as well.
            let release = Operation::Release { hold, reason: ReleaseReason::NotSent };
            services.batcher.post(account, release);
            return Err(client_gone());
        }
        decision
    }

    /// The answer that nobody heard is heard with this reply; that of a key is kept for its time.
    fn replays(&self, context: &SendContext, fingerprints: &Fingerprints, replay: &Replay) {
        if fingerprints.key.is_none() {
            self.client.replays(&context.snapshot.id, replay.hold, fingerprints.body);
        }
    }

    /// Upstream's reply with what it cost, or a rejection if the outcome is unknown.
    fn reply(
        &self,
        context: &SendContext,
        quote: &Quote,
        held: &Held,
        attempt: Attempt,
        settled: Settled,
        log: &mut SendLog,
    ) -> Result<Reply, Rejected> {
        let outcome = match settled {
            Settled::Answered(outcome) => outcome,
            Settled::Rejected(rejected) => {
                if rejected.kind == RejectionKind::OutcomeUnknown {
                    log.outcome = Some(SendOutcome::Unknown);
                } else {
                    log.charge = Amount::ZERO;
                }
                return Err(rejected);
            }
        };
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        log.outcome = Some(if accepted { SendOutcome::Accepted } else { SendOutcome::Refused });
        let Attempt::Answered { status, headers, body } = attempt else {
            let details = "upstream's answer was lost";
            return Err(Rejected::new(RejectionKind::OutcomeUnknown, details));
        };
        let by = outcome.answered_by();
        let mut reply = reply::answer(status, headers, body, by, &self.request_id);
        log.charge = if accepted { held.amount } else { Amount::ZERO };
        let (hold, available) = (held.hold, held.available);
        reply::add_price_headers(&mut reply, context, quote, hold, log.charge, available);
        if let Some(rejection) = log.observed {
            reply::add_observed(&mut reply, rejection);
        }
        Ok(reply)
    }

    /// Read receipts cost nothing and need no ledger.
    async fn forward_read_receipt(
        &self,
        context: &SendContext,
        headers: &HeaderMap,
        body: Bytes,
        timer: &mut StageTimer<'_>,
    ) -> Result<Reply, Rejected> {
        let target = target(&self.service, &context.snapshot, &context.channel_id)?;
        timer.restart();
        let own = context.channel.settings.upstream_path.as_deref();
        let path = own.unwrap_or(&self.route.path);
        let attempt = forward(&self.service, &target, path, headers, body).await;
        timer.end(Stage::Forward);
        match without_token(attempt, &target.token) {
            Attempt::Answered { status, headers, body } => {
                let by = answered_by(&headers, &body);
                Ok(reply::answer(status, headers, body, by, &self.request_id))
            }
            Attempt::NotSent { reason } => {
                Err(Rejected::unreachable(reason.as_str(), "nothing was sent"))
            }
            Attempt::Unknown { reason } => Err(Rejected::no_answer(reason.as_str())),
        }
    }
}

fn malformed(found: message::Malformed) -> Rejected {
    Rejected::new(RejectionKind::Malformed, found.details)
}

/// The number of the next try, if there is one.
fn next_try(tries: usize) -> Result<usize, Rejected> {
    if tries < TRIES {
        Ok(tries.saturating_add(1))
    } else {
        Err(Rejected::settings_keep_changing())
    }
}

/// Nobody waits and nothing was forwarded: the repeat, if there is one, is the send.
fn client_gone() -> Rejected {
    let details = "the client disconnected before anything was forwarded";
    Rejected::new(RejectionKind::ClientGone, details)
}
