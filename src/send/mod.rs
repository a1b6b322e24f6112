//! The way of a send: accept, authenticate, parse, classify, price, throttle, reserve, forward,
//! settle, reply - in `Journey::travel`, in this order.

mod accept;
mod authenticate;
mod classify;
pub mod message;
pub mod pass_through;
pub mod rejection;
pub mod reply;
mod reserve;
mod settle;
mod throttle;
mod waiting;
mod way;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request};
use hyper::body::Incoming;

use crate::amount::Amount;
use crate::catalog::Snapshot;
use crate::clock::Stopwatch;
use crate::http::request_id::RequestId;
use crate::ids::{AccountId, CampaignId, ChannelId, HoldId};
use crate::ledger::{Operation, ReleaseReason};
use crate::metrics::Metrics;
use crate::pricing::{Quote, Recipient};
use crate::upstream::client::{Attempt, Forward};
use crate::upstream::outcome::Outcome;
use crate::upstream::target::{AccessToken, BaseUrl};
use authenticate::Caller;
use message::{Endpoint, Message};
use rejection::Rejected;
use reply::Reply;
use reserve::{Decision, Held, Marks};
use settle::Settled;
use waiting::{Client, Waiting};
pub use way::{SendOptions, SendWay};

/// Settings and prices may change while a send is decided; more often than this in a row they do
/// not.
const TRIES: usize = 4;

/// Where a send came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRoute {
    /// The campaign of the path prefix.
    pub campaign: Option<String>,
    /// The phone number ID of the path.
    pub number: String,
    /// Which of the two.
    pub endpoint: Endpoint,
    /// The path at Meta, without a campaign prefix.
    pub path: String,
}

/// Carries one send from its request to its reply. The send goes on where the client hangs up.
pub async fn handle(way: &Arc<SendWay>, route: SendRoute, request: Request<Incoming>) -> Reply {
    let waiting = Waiting::new(way.services.batcher.clone());
    let client = Client::new(waiting.clone());
    let request_id = RequestId::of(request.headers(), way.services.clock.now_ms());
    let send = Journey { way: way.clone(), route, waiting, request_id: request_id.clone() };
    let reply = match way.travelling.spawn(send.run(request)).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::error!(%error, request_id = %request_id, "a send ended unexpectedly; its hold is resolved by the sweep");
            reply::rejection(
                &Rejected::new(
                    "outcome_unknown",
                    "the gateway failed while it carried this message",
                ),
                None,
                &request_id,
            )
        }
    };
    client.answered();
    reply
}

struct Journey {
    way: Arc<SendWay>,
    route: SendRoute,
    waiting: Arc<Waiting>,
    request_id: RequestId,
}

/// What is known of a send, for its one exit.
#[derive(Default)]
struct Log {
    account: Option<AccountId>,
    campaign: Option<CampaignId>,
    currency: Option<String>,
    category: Option<&'static str>,
    outcome: Option<&'static str>,
    recipient: Option<Recipient>,
    hold: Option<HoldId>,
    charge: Amount,
}

/// Where and with whose token a send is forwarded.
struct Target {
    base: BaseUrl,
    token: AccessToken,
}

impl Journey {
    /// Every send leaves through here: counted, logged, answered.
    async fn run(self, request: Request<Incoming>) -> Reply {
        let watch = Stopwatch::start();
        let _counted = self.way.services.metrics.in_flight();
        let (head, body) = request.into_parts();
        let mut log = Log::default();
        let result = self.travel(&head, body, &mut log).await;
        let rejected = result.as_ref().err().map(|rejected| rejected.name);
        let reply = match result {
            Ok(reply) => reply,
            Err(rejected) => {
                self.way.services.metrics.rejection(rejected.name);
                reply::rejection(&rejected, log.currency.as_deref(), &self.request_id)
            }
        };
        let outcome = log.outcome.unwrap_or("rejected");
        self.way.services.metrics.send(outcome, log.category.unwrap_or("none"));
        self.way.services.metrics.stage("total", watch.elapsed());
        tracing::debug!(
            request_id = %self.request_id,
            account = log.account.as_ref().map(AccountId::as_str),
            campaign = log.campaign.as_ref().map(CampaignId::as_str),
            channel = self.route.number,
            recipient = log.recipient.as_ref().map(tracing::field::debug),
            category = log.category,
            outcome,
            rejection = rejected,
            hold = log.hold.map(tracing::field::display),
            charge = %log.charge,
            status = reply.status().as_u16(),
            elapsed_us = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX),
            "send"
        );
        reply
    }

    /// All the steps of a send.
    async fn travel(&self, head: &Parts, body: Incoming, log: &mut Log) -> Result<Reply, Rejected> {
        let way = &*self.way;
        // Accept.
        let _place = way.places.try_acquire().map_err(|_| {
            Rejected::new("overloaded", "too many sends are in work at once").retry_after(1)
        })?;
        let key = accept::check_head(head)?;
        // Authenticate.
        let mut lap = Lap::start(&way.services.metrics);
        let mut caller = authenticate::authenticate(
            way,
            &head.headers,
            &self.route.number,
            self.route.campaign.as_deref(),
        )
        .await?;
        log.caller(&caller);
        lap.end("authenticate");
        // Parse.
        let body = accept::body(body, way.options.max_body_bytes, way.options.body_timeout).await?;
        let message = message::parse(&body, self.route.endpoint)
            .map_err(|malformed| Rejected::new("malformed", malformed.details))?;
        let Message::Send(message) = message else {
            log.outcome = Some("read_receipt");
            return self.forward_read_receipt(&caller, &head.headers, body.clone()).await;
        };
        let addressee = classify::addressee(&message, way.options.without_plus, caller.channel())?;
        log.recipient = Some(addressee.recipient.clone());
        let marks = Marks::of(
            way.services.catalog.hasher(),
            &caller.number,
            &self.route.path,
            &body,
            key,
            &addressee.recipient,
        );
        lap.end("parse");
        let under_way = way.under_way.enter(&caller.snapshot.id, marks.fingerprint).await;
        let mut tries = 0;
        let (target, quote, held) = loop {
            // Classify.
            let category = classify::category(&caller, &message)?;
            // Price.
            let quote = classify::price(
                &way.services.prices.load(),
                &caller,
                &addressee.recipient,
                category,
                way.services.clock.now_ms(),
            )?;
            log.category = Some(quote.category.as_str());
            let target = target(way, &caller.snapshot, &caller.number)?;
            lap.end("price");
            // Throttle.
            if tries == 0 {
                way.throttle
                    .pass(&caller.number, caller.channel().settings.throughput_limit)
                    .await?;
                lap.end("throttle");
            }
            // Reserve.
            match self.reserve(&caller, &quote, &marks).await? {
                Decision::Forward(held) => break (target, quote, held),
                Decision::Replay { hold, message_id, amount } => {
                    log.outcome = Some("replayed");
                    let mut reply = reply::replay(&message_id, &message, &self.request_id);
                    reply::tell_price(&mut reply, &caller, &quote, Some(hold), amount, None);
                    return Ok(reply);
                }
                Decision::Again if tries < TRIES => {
                    tries += 1;
                    caller = authenticate::again(way, head, &self.route, &caller).await?;
                }
                Decision::Again => {
                    return Err(Rejected::new(
                        "ledger_unavailable",
                        "the account's settings keep changing",
                    )
                    .retry_after(1));
                }
            }
        };
        (log.hold, log.charge) = (held.hold, held.amount);
        // Forward.
        let attempt = self
            .forward(&target, &head.headers, classify::forwarded_body(&body, addressee.plus_at))
            .await;
        // Settle.
        let settled = settle::settle(way, &caller, &quote, &held, &attempt, &self.waiting).await;
        drop(under_way);
        // Reply.
        self.reply(&caller, &quote, &held, attempt, settled, log)
    }

    async fn reserve(
        &self,
        caller: &Caller,
        quote: &Quote,
        marks: &Marks,
    ) -> Result<Decision, Rejected> {
        if !reserve::needs_ledger(caller, marks) {
            return Ok(Decision::Forward(Held {
                hold: None,
                amount: Amount::ZERO,
                available: None,
            }));
        }
        let account = &caller.snapshot.id;
        if self.waiting.is_gone() {
            return Err(hung_up());
        }
        let watch = Stopwatch::start();
        let hold = HoldId::new(self.way.services.clock.now_ms());
        let decision = reserve::reserve(&self.way, caller, quote, marks, hold).await;
        self.way.services.metrics.stage("reserve", watch.elapsed());
        if let Ok(Decision::Forward(_)) = &decision
            && !self.waiting.holds(account, hold)
        {
            // Its repetition may have been let through meanwhile: this one must not be sent as
            // well.
            self.way
                .services
                .batcher
                .post(account, Operation::Release { hold, reason: ReleaseReason::NotSent });
            return Err(hung_up());
        }
        decision
    }

    async fn forward(&self, target: &Target, headers: &HeaderMap, body: Bytes) -> Attempt {
        let watch = Stopwatch::start();
        let forward = Forward {
            base: &target.base,
            path: &self.route.path,
            token: &target.token,
            headers,
            body,
        };
        let attempt = self.way.services.upstream.forward(forward).await;
        self.way.services.metrics.stage("forward", watch.elapsed());
        attempt
    }

    fn reply(
        &self,
        caller: &Caller,
        quote: &Quote,
        held: &Held,
        attempt: Attempt,
        settled: Settled,
        log: &mut Log,
    ) -> Result<Reply, Rejected> {
        let outcome = match settled {
            Settled::Answered(outcome) => outcome,
            Settled::Rejected(rejected) => {
                if rejected.name == "outcome_unknown" {
                    log.outcome = Some("unknown");
                } else {
                    log.charge = Amount::ZERO;
                }
                return Err(rejected);
            }
        };
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        log.outcome = Some(if accepted { "accepted" } else { "refused" });
        let Attempt::Answered { status, headers, body } = attempt else {
            return Err(Rejected::new("outcome_unknown", "upstream's answer was lost"));
        };
        let mut reply = reply::answer(status, headers, body, &self.request_id);
        let charge = if accepted { held.amount } else { Amount::ZERO };
        log.charge = charge;
        reply::tell_price(&mut reply, caller, quote, held.hold, charge, held.available);
        Ok(reply)
    }

    /// Read receipts cost nothing and need no ledger.
    async fn forward_read_receipt(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Rejected> {
        let target = target(&self.way, &caller.snapshot, &caller.number)?;
        match self.forward(&target, headers, body).await {
            Attempt::Answered { status, headers, body } => {
                Ok(reply::answer(status, headers, body, &self.request_id))
            }
            Attempt::NotSent { reason } => {
                let details = format!(
                    "upstream could not be reached ({}); nothing was sent",
                    reason.as_str()
                );
                Err(Rejected::new("upstream_unreachable", details).retry_after(1))
            }
            Attempt::Unknown { reason } => Err(Rejected::new(
                "upstream_no_answer",
                format!("upstream did not answer ({})", reason.as_str()),
            )),
        }
    }
}

/// Nobody waits and nothing was forwarded: the repetition, if there is one, is the send.
fn hung_up() -> Rejected {
    Rejected::new("malformed", "the client hung up before anything was forwarded")
}

/// Where a channel's requests go and with whose token. Found before anything is held, so that a
/// channel without a token costs nothing.
fn target(way: &SendWay, snapshot: &Snapshot, number: &ChannelId) -> Result<Target, Rejected> {
    let found = || {
        let channel = &snapshot.channels.get(number).ok_or("it is gone")?.settings;
        let base = match &channel.upstream_url {
            Some(url) => url.parse::<BaseUrl>().map_err(|error| error.to_string())?,
            None => way.services.base_url.clone(),
        };
        let token = way.services.tokens.of(channel).map_err(|error| error.to_string())?;
        let token = token.parse::<AccessToken>().map_err(|error| error.to_string())?;
        Ok(Target { base, token })
    };
    found().map_err(|reason: String| {
        tracing::error!(account = %snapshot.id, channel = %number, reason, "a channel has no way to Meta");
        Rejected::new("channel_disabled", "the gateway has no usable Meta token or address for this channel; its operator must set one")
    })
}

/// Measures one stage after the other.
struct Lap<'a> {
    metrics: &'a Metrics,
    watch: Stopwatch,
}

impl Lap<'_> {
    fn start(metrics: &Metrics) -> Lap<'_> {
        Lap { metrics, watch: Stopwatch::start() }
    }

    /// Records the time since the last one as that of `stage`.
    fn end(&mut self, stage: &str) {
        self.metrics.stage(stage, self.watch.elapsed());
        self.watch = Stopwatch::start();
    }
}

impl Log {
    fn caller(&mut self, caller: &Caller) {
        self.account = Some(caller.snapshot.id.clone());
        self.campaign.clone_from(&caller.campaign);
        self.currency = Some(caller.snapshot.account.currency.clone());
    }
}
