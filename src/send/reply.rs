//! Reply: the only place in the room that knows HTTP statuses. Upstream's replies go back as they
//! came; our own no is Graph-shaped.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

use super::context::SendContext;
use super::message::Send;
use super::rejected::Rejected;
use super::reserve::Replay;
use crate::amount::Amount;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::ids::{CampaignId, HoldId};
use crate::pricing::Quote;
use crate::rejection::RejectionKind;
use crate::upstream::outcome::AnsweredBy;

/// Whose answer a reply is: `graph`, `intermediary` (something in front of Graph) or `gateway`.
const ANSWERED_BY: HeaderName = HeaderName::from_static("tollgate-answered-by");

/// How many headers say what a message cost, and how many bytes of them are written for it.
const PRICE_HEADERS: usize = 6;
const PRICE_TEXTS: usize = 96;

/// A reply to a send.
pub type Reply = Response<Full<Bytes>>;

/// The body of a rejection.
#[derive(Serialize)]
struct Failure<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: std::fmt::Arguments<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    code: u32,
    error_data: Data<'a>,
    fbtrace_id: &'a str,
}

#[derive(Serialize)]
struct Data<'a> {
    messaging_product: &'static str,
    details: &'a str,
    rejection: &'static str,
    needed: Option<Amount>,
    available: Option<Amount>,
    currency: Option<&'a str>,
    retry_after_s: Option<i64>,
    /// Only a stopped campaign has these.
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<&'a CampaignId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortfall: Option<Amount>,
}

/// Our own no, shaped like a Graph error so that SDKs parse it, with numbers of our own so that
/// nobody takes it for Meta's.
pub fn rejection(rejected: &Rejected, currency: Option<&str>, request_id: &RequestId) -> Reply {
    let kind = rejected.kind;
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = 990_000 + u32::from(status.as_u16());
    let body = Failure {
        error: Error {
            message: format_args!("(#{code}) {}", kind.title()),
            kind: "TollgateRejection",
            code,
            error_data: Data {
                messaging_product: "whatsapp",
                details: &rejected.details,
                rejection: kind.name(),
                needed: rejected.needed,
                available: rejected.available,
                currency: rejected.needed.and(currency),
                retry_after_s: rejected.retry_after_s,
                campaign: rejected.campaign.as_ref(),
                shortfall: rejected.shortfall,
            },
            fbtrace_id: request_id.as_str(),
        },
    };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut reply = json_reply(status, body.into());
    let headers = reply.headers_mut();
    headers.insert("tollgate-rejection", HeaderValue::from_static(kind.name()));
    headers.insert(ANSWERED_BY, HeaderValue::from_static("gateway"));
    headers.insert(X_REQUEST_ID, request_id.header());
    if let Some(seconds) = rejected.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Upstream's answer as it came, with a word on whose it is.
pub fn answer(
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    by: AnsweredBy,
    request_id: &RequestId,
) -> Reply {
    let by = match by {
        AnsweredBy::Graph => HeaderValue::from_static("graph"),
        AnsweredBy::Intermediary => HeaderValue::from_static("intermediary"),
    };
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *reply.headers_mut() = headers;
    let headers = reply.headers_mut();
    strip_misleading(headers);
    headers.insert(ANSWERED_BY, by);
    headers.insert(X_REQUEST_ID, request_id.header());
    reply
}

/// Removes what would lead a client away or deceive it: a client that follows a redirect repeats
/// its message and its gateway key to another host, and `Tollgate-` headers are the gateway's own
/// word.
pub fn strip_misleading(headers: &mut HeaderMap) {
    headers.remove(header::LOCATION);
    headers.remove(header::REFRESH);
    let own = |name: &&HeaderName| name.as_str().starts_with("tollgate-");
    let forged: Vec<HeaderName> = headers.keys().filter(own).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// The first reply to an idempotency key again, rebuilt from its message id. The recipient is the
/// one of this, identical, request.
pub fn replay(
    first: &Replay,
    message: &Send<'_>,
    context: &SendContext,
    quote: &Quote,
    request_id: &RequestId,
) -> Reply {
    let contact = match (&message.to, &message.recipient) {
        (None, Some(user)) => json!({"input": user, "user_id": user}),
        (to, _) => {
            let input = to.as_deref().unwrap_or_default();
            let digits: String = input.chars().filter(char::is_ascii_digit).collect();
            json!({"input": input, "wa_id": digits})
        }
    };
    let body = json!({
        "messaging_product": "whatsapp",
        "contacts": [contact],
        "messages": [{"id": first.message_id}],
    });
    let mut reply = json_reply(StatusCode::OK, body.to_string().into());
    reply.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    reply.headers_mut().insert(ANSWERED_BY, HeaderValue::from_static("gateway"));
    reply.headers_mut().insert(X_REQUEST_ID, request_id.header());
    add_price_headers(&mut reply, context, quote, Some(first.hold), first.amount, None);
    reply
}

/// Adds what the message cost and what is left.
pub fn add_price_headers(
    reply: &mut Reply,
    context: &SendContext,
    quote: &Quote,
    hold: Option<HoldId>,
    amount: Amount,
    available: Option<Amount>,
) {
    let currency = &context.snapshot.account.currency;
    let headers = reply.headers_mut();
    headers.reserve(PRICE_HEADERS);
    let mut set = |name: &'static str, text: Bytes| {
        if let Ok(value) = HeaderValue::from_maybe_shared(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    // All that has to be written goes into one piece of memory.
    let mut texts = BytesMut::with_capacity(PRICE_TEXTS);
    let mut written = |text: std::fmt::Arguments<'_>| {
        // Writing to a text cannot fail.
        let _ = texts.write_fmt(text);
        texts.split().freeze()
    };
    if let Some(hold) = hold {
        set("tollgate-hold", written(format_args!("{hold}")));
    }
    set("tollgate-charge", written(format_args!("{amount} {currency}")));
    if let Some(available) = available {
        set("tollgate-available", written(format_args!("{available} {currency}")));
    }
    set("tollgate-country", written(format_args!("{}", quote.country.as_str())));
    set("tollgate-market", Bytes::from_static(quote.market.as_str().as_bytes()));
    set("tollgate-category", Bytes::from_static(quote.category.as_str().as_bytes()));
}

/// Names the limit that would have refused the send if the account enforced its limits.
pub fn add_observed(reply: &mut Reply, rejection: RejectionKind) {
    let name = HeaderValue::from_static(rejection.name());
    reply.headers_mut().insert("tollgate-observed-rejection", name);
}

fn json_reply(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    reply
}
