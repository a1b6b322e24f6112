//! Reply: the only place in the room that knows HTTP statuses. Upstream's answers go back as they
//! came; our own no is Graph-shaped.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::authenticate::Caller;
use super::message::Send;
use super::rejection::Rejected;
use crate::amount::Amount;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::ids::HoldId;
use crate::pricing::Quote;

/// A reply to a send.
pub type Reply = Response<Full<Bytes>>;

/// Contract name, status and title of every rejection. SDKs repeat 429 and 5xx by themselves, never
/// 400, 402, 403, 409.
pub const REJECTIONS: [(&str, u16, &str); 25] = [
    ("malformed", 400, "This is not one unambiguous message"),
    ("unauthorized", 401, "No valid gateway key"),
    ("insufficient_balance", 402, "Not enough credits for this message"),
    ("channel_unknown", 403, "No such channel"),
    ("channel_disabled", 403, "The channel is disabled"),
    ("path_not_allowed", 403, "This path is not passed on"),
    ("frequency_capped", 403, "The recipient had enough messages"),
    ("campaign_stopped", 409, "The campaign is stopped"),
    ("campaign_unknown", 409, "No such campaign"),
    ("idempotency_in_flight", 409, "The first send with this key is under way"),
    ("already_sent", 409, "The campaign has sent to this recipient"),
    ("outcome_unknown", 409, "It is not known whether this message was sent"),
    ("too_large", 413, "The body is too large"),
    ("unsupported_media_type", 415, "Sends are application/json without content encoding"),
    ("unclassified", 422, "The template is not known"),
    ("unpriced", 422, "There is no price for this recipient"),
    ("recipient_unsupported", 422, "This recipient is not supported"),
    ("idempotency_conflict", 422, "The key was used with another body"),
    ("throughput_limited", 429, "The channel's throughput limit is reached"),
    ("messaging_limit_reached", 429, "The messaging limit is reached"),
    ("upstream_unreachable", 502, "Upstream could not be reached"),
    ("ledger_unavailable", 503, "The ledger cannot decide now"),
    ("overloaded", 503, "Too much work at once"),
    // Not sends, but refused at the same door.
    ("upstream_no_answer", 504, "Upstream did not answer"),
    ("request_timeout", 408, "The request took too long to arrive"),
];

fn status_and_title(name: &str) -> (StatusCode, &'static str) {
    let found = REJECTIONS.iter().find(|(known, _, _)| *known == name);
    let (status, title) =
        found.map_or((500, "Internal error"), |(_, status, title)| (*status, *title));
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), title)
}

/// Our own no, shaped like a Graph error so that SDKs parse it, with numbers of our own so that
/// nobody takes it for Meta's.
pub fn rejection(rejected: &Rejected, currency: Option<&str>, request_id: &RequestId) -> Reply {
    let (status, title) = status_and_title(rejected.name);
    let code = 990_000 + u32::from(status.as_u16());
    let body = json!({
        "error": {
            "message": format!("(#{code}) {title}"),
            "type": "TollgateRejection",
            "code": code,
            "error_data": {
                "messaging_product": "whatsapp",
                "details": rejected.details,
                "rejection": rejected.name,
                "needed": rejected.needed,
                "available": rejected.available,
                "currency": rejected.needed.and(currency),
                "retry_after_s": rejected.retry_after_s,
            },
            "fbtrace_id": request_id.as_str(),
        }
    });
    let mut reply = json_reply(status, body.to_string().into());
    let headers = reply.headers_mut();
    headers.insert("tollgate-rejection", HeaderValue::from_static(rejected.name));
    headers.insert(X_REQUEST_ID, request_id.header());
    if let Some(seconds) = rejected.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Upstream's answer as it came, and what the gateway did about it.
pub fn answer(status: u16, headers: HeaderMap, body: Bytes, request_id: &RequestId) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *reply.headers_mut() = headers;
    reply.headers_mut().insert(X_REQUEST_ID, request_id.header());
    reply
}

/// The first answer to an idempotency key again, rebuilt from its message id. The recipient is the
/// one of this, identical, request.
pub fn replay(message_id: &Arc<str>, message: &Send<'_>, request_id: &RequestId) -> Reply {
    let contact = match (&message.to, &message.recipient) {
        (None, Some(user)) => json!({"input": user, "user_id": user}),
        (to, _) => {
            let input = to.as_deref().unwrap_or_default();
            json!({"input": input, "wa_id": input.chars().filter(char::is_ascii_digit).collect::<String>()})
        }
    };
    let body = json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message_id}]});
    let mut reply = json_reply(StatusCode::OK, body.to_string().into());
    reply.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    reply.headers_mut().insert(X_REQUEST_ID, request_id.header());
    reply
}

/// Adds what the message cost and what is left.
pub fn tell_price(
    reply: &mut Reply,
    caller: &Caller,
    quote: &Quote,
    hold: Option<HoldId>,
    amount: Amount,
    available: Option<Amount>,
) {
    let currency = &caller.snapshot.account.currency;
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

fn json_reply(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    reply
}
