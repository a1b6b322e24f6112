//! The simulator's own endpoints under `/_simulator/`, for tests and tools that run in another
//! process.

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::record::Accepted;
use crate::reply::{self, Reply};
use crate::route::query_value;
use crate::state::State;

/// Messages per page of `accepted`.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 10_000;

/// Returns the reply to one request for `/_simulator/{path}`.
pub(crate) fn handle(state: &State, path: &str, parts: &Parts, body: &Bytes) -> Reply {
    let answer = match (parts.method.as_str(), path) {
        ("GET", "stats") => serde_json::to_value(state.record.stats()).map_err(|e| e.to_string()),
        ("GET", "accepted") => accepted(state, parts.uri.query().unwrap_or("")),
        ("GET", "faults") => serde_json::to_value(state.faults.list()).map_err(|e| e.to_string()),
        ("POST", "faults") => add_fault(state, body),
        ("DELETE", "faults") => {
            state.faults.clear();
            Ok(json!({ "success": true }))
        }
        ("POST", "latency") => set_latency(state, body),
        ("POST", "reset") => {
            state.reset();
            Ok(json!({ "success": true }))
        }
        _ => {
            let text =
                "{\"mistake\":\"stats, accepted, faults, latency and reset are served here\"}";
            return reply::plain(StatusCode::NOT_FOUND, "application/json", text);
        }
    };
    match answer {
        Ok(value) => reply::plain(StatusCode::OK, "application/json", value.to_string()),
        Err(mistake) => reply::plain(
            StatusCode::BAD_REQUEST,
            "application/json",
            json!({ "mistake": mistake }).to_string(),
        ),
    }
}

fn accepted(state: &State, query: &str) -> Result<Value, String> {
    let number = |name: &str, default: usize| match query_value(query, name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| format!("{name} must be a number")),
    };
    let offset = number("offset", 0)?;
    let limit = number("limit", PAGE_DEFAULT)?.min(PAGE_MAX);
    let page = state.record.accepted(offset, limit);
    let messages: Vec<Value> = page.iter().map(describe).collect();
    Ok(json!({
        "accepted": state.record.accepted_count(),
        "offset": offset,
        "messages": messages,
    }))
}

fn describe(accepted: &Accepted) -> Value {
    let headers: Vec<Value> = accepted
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let template = accepted.template.as_ref();
    json!({
        "sequence": accepted.sequence,
        "path": accepted.path,
        "phone_number_id": accepted.phone_number_id,
        "recipient": accepted.recipient,
        "type": accepted.kind,
        "template": template.map(|(name, language)| json!({ "name": name, "language": language })),
        "message_id": accepted.message_id,
        "headers": headers,
        "body": String::from_utf8_lossy(&accepted.body),
    })
}

fn add_fault(state: &State, body: &Bytes) -> Result<Value, String> {
    let fault = Fault::from_json(body)?;
    state.faults.add(fault);
    Ok(json!({ "success": true }))
}

fn set_latency(state: &State, body: &Bytes) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Latency {
        latency_ms: u64,
    }
    let latency: Latency = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    state.set_latency(std::time::Duration::from_millis(latency.latency_ms));
    Ok(json!({ "success": true }))
}
