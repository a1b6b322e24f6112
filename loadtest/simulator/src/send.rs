//! What happens to a send: it is read, its template looked up, the throughput limit applied; then a
//! fault strikes it or it is accepted.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzEncoder, ZlibEncoder};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::fault::{Coding, Fault, FaultAction, FaultScope};
use crate::graph_error::GraphError;
use crate::kind::Kind;
use crate::message::{self, Address, Message, Posted, SendPath};
use crate::record::{Envelope, wa_id};
use crate::reply::{self, Reply, ReplyBody, Reset};
use crate::state::State;
use crate::strike;

/// Returns the reply to one body posted to a send path; `Err` if the connection is to be reset.
pub(crate) async fn handle(
    state: &State,
    path: SendPath,
    phone_number_id: &str,
    parts: &Parts,
    body: &Bytes,
) -> Result<Reply, Reset> {
    let message = match read(state, path, phone_number_id, parts, body) {
        Ok(Posted::Message(message)) => message,
        Ok(Posted::ReadReceipt) => return read_receipt(state).await,
        Err(error) => return Ok(state.refuse(&error)),
    };
    let envelope = Envelope {
        send_path: path,
        phone_number_id,
        path: parts.uri.path_and_query().map_or("", |path| path.as_str()),
        headers: &parts.headers,
    };
    match state.faults.strike(FaultScope::Sends, message.address.as_written()) {
        None => {
            let id = state.record.accept(&envelope, &message, body);
            state.wait_latency().await;
            Ok(accepted(state, &message, &id, None))
        }
        Some(fault) => {
            let id = match fault.accepts() {
                true => state.record.accept(&envelope, &message, body),
                false => String::new(),
            };
            faulty(state, &fault, &message, &id).await
        }
    }
}

fn read<'a>(
    state: &State,
    path: SendPath,
    phone_number_id: &str,
    parts: &Parts,
    body: &'a Bytes,
) -> Result<Posted<'a>, GraphError> {
    state.check_phone_number(phone_number_id)?;
    let json = parts.headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        let media_type = b"application/json";
        value.len() >= media_type.len()
            && value[..media_type.len()].eq_ignore_ascii_case(media_type)
    });
    if !json {
        // Graph reads anything else as a form and finds no fields in it.
        return Err(GraphError::new(100, "The parameter messaging_product is required."));
    }
    let posted = message::read(path, body)?;
    if let Posted::Message(message) = &posted {
        check_template(state, path, message)?;
        if !state.throughput.admit(phone_number_id) {
            return Err(GraphError::new(130429, "Message throughput reached for this number."));
        }
    }
    Ok(posted)
}

/// What Meta checks against the WABA's templates; nothing is checked while none are configured.
fn check_template(state: &State, path: SendPath, message: &Message<'_>) -> Result<(), GraphError> {
    let Some(used) = &message.template else {
        return Ok(());
    };
    let templates = &state.options.templates;
    if templates.is_empty() {
        return Ok(());
    }
    let found =
        templates.iter().find(|known| known.name == *used.name && known.language == *used.language);
    let Some(template) = found else {
        let (name, language) = (&*used.name, &*used.language);
        return Err(GraphError::new(
            132001,
            format!("template name ({name}) does not exist in {language}"),
        ));
    };
    match template.status.as_str() {
        "PAUSED" => return Err(GraphError::new(132015, "The template is paused.")),
        "DISABLED" => return Err(GraphError::new(132016, "The template is disabled.")),
        "APPROVED" => {}
        other => {
            return Err(GraphError::new(132001, format!("the template is {other}")));
        }
    }
    match (template.category.as_str(), path, &message.address) {
        ("AUTHENTICATION", _, Address::UserId(_)) => Err(GraphError::new(
            131062,
            "Business-scoped User ID (BSUID) recipients are not supported for this message.",
        )),
        ("MARKETING", SendPath::MarketingMessages, _) | (_, SendPath::Messages, _) => Ok(()),
        _ => Err(GraphError::new(131055, "Only marketing templates can be sent here.")),
    }
}

async fn read_receipt(state: &State) -> Result<Reply, Reset> {
    if let Some(reply) = strike::read(state).await {
        return reply;
    }
    state.record.read_receipts.fetch_add(1, Ordering::Relaxed);
    state.wait_latency().await;
    Ok(state.success())
}

/// Returns the reply to a message that was accepted; templates report a `message_status`.
fn accepted(state: &State, message: &Message<'_>, id: &str, status: Option<&str>) -> Reply {
    let status = status.or((message.kind == Kind::Template).then_some("accepted"));
    let body = accepted_body(message, &names(&message.address), Some((id, status)));
    reply::graph(StatusCode::OK, state.trace(), ReplyBody::whole(body))
}

/// The fields by which a reply names who a message is for.
type Names = [(&'static str, Option<String>); 2];

/// Returns how Meta names an address.
fn names(address: &Address<'_>) -> Names {
    let name = Some(wa_id(address));
    match address {
        Address::UserId(_) => [("wa_id", None), ("user_id", name)],
        Address::Phone(_) | Address::Group(_) => [("wa_id", name), ("user_id", None)],
    }
}

/// Returns the body of a good reply; without an id it has no `messages`.
fn accepted_body(
    message: &Message<'_>,
    names: &Names,
    id: Option<(&str, Option<&str>)>,
) -> Vec<u8> {
    // Addresses and names were checked to hold nothing that JSON would escape.
    let written = message.address.as_written();
    let mut body = String::with_capacity(256);
    body.push_str(r#"{"messaging_product":"whatsapp","contacts":[{"input":""#);
    body.push_str(written);
    for (field, name) in names {
        if let Some(name) = name {
            for part in [r#"",""#, field, r#"":""#, name] {
                body.push_str(part);
            }
        }
    }
    body.push_str(r#""}]"#);
    if let Some((id, status)) = id {
        body.push_str(r#","messages":[{"id":""#);
        body.push_str(id);
        body.push('"');
        if let Some(status) = status {
            body.push_str(r#","message_status":""#);
            body.push_str(status);
            body.push('"');
        }
        body.push_str("}]");
    }
    body.push('}');
    body.into_bytes()
}

/// Returns a good reply in a content encoding.
fn encoded(state: &State, coding: Coding, body: &[u8]) -> Reply {
    let (mut content, level) = (Vec::new(), Compression::fast());
    let (name, read) = match coding {
        Coding::Gzip => ("gzip", GzEncoder::new(body, level).read_to_end(&mut content)),
        Coding::Deflate => ("deflate", ZlibEncoder::new(body, level).read_to_end(&mut content)),
    };
    read.expect("memory can be read");
    let mut reply = reply::graph(StatusCode::OK, state.trace(), ReplyBody::whole(content));
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    reply
}

/// Returns the reply that `fault` makes of a send. `id` is empty if the message was not accepted.
async fn faulty(
    state: &State,
    fault: &Fault,
    message: &Message<'_>,
    id: &str,
) -> Result<Reply, Reset> {
    state.record.faults.fetch_add(1, Ordering::Relaxed);
    let good = |status| accepted(state, message, id, status);
    match &fault.action {
        FaultAction::Delay { ms } => {
            state.wait(Duration::from_millis(*ms)).await;
            Ok(good(None))
        }
        FaultAction::Held => Ok(good(Some("held_for_quality_assessment"))),
        FaultAction::Contact { wa_id, user_id } => {
            let names = [("wa_id", wa_id.clone()), ("user_id", user_id.clone())];
            state.wait_latency().await;
            let body = ReplyBody::whole(accepted_body(message, &names, Some((id, None))));
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::Truncate => {
            let body = accepted_body(message, &names(&message.address), Some((id, None)));
            let body = ReplyBody::truncated(body);
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::NoId => {
            let body = ReplyBody::whole(accepted_body(message, &names(&message.address), None));
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::Encoded { coding } => {
            let body = accepted_body(message, &names(&message.address), Some((id, None)));
            Ok(encoded(state, *coding, &body))
        }
        FaultAction::ByteOrderMark => {
            let mut body = "\u{feff}".as_bytes().to_vec();
            body.extend(accepted_body(message, &names(&message.address), Some((id, None))));
            Ok(reply::graph(StatusCode::OK, state.trace(), ReplyBody::whole(body)))
        }
        other => strike::without_message(state, other).await,
    }
}
