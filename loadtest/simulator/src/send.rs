//! The way of a send through the simulator: read, limit, look up the template, strike with a fault
//! or accept.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use crate::fault::{Fault, FaultAction, FaultScope};
use crate::graph_error::GraphError;
use crate::message::{self, Address, Kind, Message, Posted, SendPath};
use crate::record::{Envelope, wa_id};
use crate::reply::{self, Reply, ReplyBody, Reset};
use crate::state::State;

/// Longest a hanging answer is held back.
const HANG_MAX: Duration = Duration::from_secs(600);

/// Answers one body posted to a send path.
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
    if let Some(reply) = state.strike_read().await {
        return reply;
    }
    state.record.read_receipts.fetch_add(1, Ordering::Relaxed);
    state.wait_latency().await;
    Ok(state.success())
}

/// The answer to a message that was taken; templates report a `message_status`.
fn accepted(state: &State, message: &Message<'_>, id: &str, status: Option<&str>) -> Reply {
    let status = status.or((message.kind == Kind::Template).then_some("accepted"));
    let body = accepted_body(message, Some((id, status)));
    reply::graph(StatusCode::OK, state.trace(), ReplyBody::whole(body))
}

/// `messages` is left out when there is no id to give.
fn accepted_body(message: &Message<'_>, id: Option<(&str, Option<&str>)>) -> Vec<u8> {
    // Addresses were checked to hold nothing that JSON would escape.
    let written = message.address.as_written();
    let mut body = String::with_capacity(256);
    body.push_str(r#"{"messaging_product":"whatsapp","contacts":[{"input":""#);
    body.push_str(written);
    body.push_str(match message.address {
        Address::UserId(_) => r#"","user_id":""#,
        Address::Phone(_) | Address::Group(_) => r#"","wa_id":""#,
    });
    body.push_str(&wa_id(&message.address));
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

/// The answer a fault calls for on a send. `id` is empty when the message was not accepted.
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
        FaultAction::Truncate => {
            let body = accepted_body(message, Some((id, None)));
            let body = ReplyBody::truncated(body);
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::NoId => {
            let body = ReplyBody::whole(accepted_body(message, None));
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        other => plain_fault(state, other).await,
    }
}

/// The answer of a fault that needs no message: what sends and reads have in common.
pub(crate) async fn plain_fault(state: &State, action: &FaultAction) -> Result<Reply, Reset> {
    match action {
        FaultAction::Refuse { code, status } => {
            let mut error = GraphError::new(*code, "Scripted by the simulator.");
            if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
                error = error.with_status(status);
            }
            state.wait_latency().await;
            Ok(state.refuse(&error))
        }
        FaultAction::Status { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            let page = "<html><body><h1>Sorry, something went wrong.</h1></body></html>";
            Ok(reply::plain(status, "text/html; charset=\"utf-8\"", page))
        }
        FaultAction::Hang => {
            state.wait(HANG_MAX).await;
            Err(Reset)
        }
        FaultAction::Reset => Err(Reset),
        FaultAction::Garbage | FaultAction::NoId | FaultAction::Held => {
            let body = ReplyBody::whole(&b"\x1f\x8b\x08 not json {"[..]);
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::Truncate => {
            let body = ReplyBody::truncated(br#"{"data":[{"id":"1"}]}"#.to_vec());
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        // On reads the caller goes on with the real answer after the delay.
        FaultAction::Delay { ms } => {
            state.wait(Duration::from_millis(*ms)).await;
            Ok(state.success())
        }
    }
}

/// Messages per second per phone number ID, counted in whole seconds as they pass.
pub(crate) struct Throughput {
    /// 0: no limit.
    limit: u32,
    since: Instant,
    counts: Mutex<HashMap<Box<str>, (u64, u32)>>,
}

impl Throughput {
    pub(crate) fn new(limit: u32) -> Throughput {
        Throughput { limit, since: Instant::now(), counts: Mutex::default() }
    }

    fn admit(&self, phone_number_id: &str) -> bool {
        if self.limit == 0 {
            return true;
        }
        let second = self.since.elapsed().as_secs();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match counts.get_mut(phone_number_id) {
            Some(entry) => entry,
            None => counts.entry(phone_number_id.into()).or_default(),
        };
        if entry.0 != second {
            *entry = (second, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= self.limit
    }
}
