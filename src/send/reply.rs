//! Reply: the only place in the room that knows HTTP statuses. Upstream's replies go back as they
//! came; our own no is Graph-shaped.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::context::SendContext;
use super::message::Send;
use super::rejected::Rejected;
use super::reserve::Replay;
use crate::amount::Amount;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::ids::HoldId;
use crate::pricing::Quote;
use crate::rejection::RejectionKind;
use crate::upstream::outcome::AnsweredBy;

/// Whose answer a reply is: `graph`, `intermediary` (something in front of Graph) or `gateway`.
const ANSWERED_BY: HeaderName = HeaderName::from_static("tollgate-answered-by");

/// A reply to a send.
pub type Reply = Response<Full<Bytes>>;

/// Our own no, shaped like a Graph error so that SDKs parse it, with numbers of our own so that
/// nobody takes it for Meta's.
pub fn rejection(rejected: &Rejected, currency: Option<&str>, request_id: &RequestId) -> Reply {
    let kind = rejected.kind;
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = 990_000 + u32::from(status.as_u16());
    let mut body = json!({
        "error": {
            "message": format!("(#{code}) {}", kind.title()),
            "type": "TollgateRejection",
            "code": code,
            "error_data": {
                "messaging_product": "whatsapp",
                "details": rejected.details,
                "rejection": kind.name(),
                "needed": rejected.needed,
                "available": rejected.available,
                "currency": rejected.needed.and(currency),
                "retry_after_s": rejected.retry_after_s,
            },
            "fbtrace_id": request_id.as_str(),
        }
    });
    if let Some(data) = body.pointer_mut("/error/error_data").and_then(Value::as_object_mut) {
        // Only a stopped campaign has these.
        if let Some(campaign) = &rejected.campaign {
            data.insert("campaign".into(), json!(campaign));
        }
        if let Some(shortfall) = rejected.shortfall {
            data.insert("shortfall".into(), json!(shortfall));
        }
    }
    let mut reply = json_reply(status, body.to_string().into());
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
    let mut set = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(hold) = hold {
        set("tollgate-hold", hold.to_string());
    }
    set("tollgate-charge", format!("{amount} {currency}"));
    if let Some(available) = available {
        set("tollgate-available", format!("{available} {currency}"));
    }
    set("tollgate-country", quote.country.to_string());
    set("tollgate-market", quote.market.as_str().to_owned());
    set("tollgate-category", quote.category.as_str().to_owned());
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
