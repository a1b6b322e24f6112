//! What a scripted fault makes of a request: the reply it gets instead, or a reset connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use crate::fault::{FaultAction, FaultScope};
use crate::graph_error::GraphError;
use crate::reply::{self, Reply, ReplyBody, Reset};
use crate::state::State;

/// The content type of pages.
const HTML: &str = "text/html; charset=\"utf-8\"";

/// Longest that a hanging reply is held back.
const HANG_MAX: Duration = Duration::from_secs(600);

/// Returns the reply to a request other than a send if a fault strikes it; `None` if the request
/// goes on, which it also does after a delay.
pub(crate) async fn read(state: &State) -> Option<Result<Reply, Reset>> {
    let fault = state.faults.strike(FaultScope::Reads, "")?;
    state.record.faults.fetch_add(1, Ordering::Relaxed);
    let reply = without_message(state, &fault.action).await;
    let delayed = matches!(fault.action, FaultAction::Delay { .. });
    (!delayed).then_some(reply)
}

/// Returns the reply that a fault makes of any request, a send or a read, without its message.
pub(crate) async fn without_message(state: &State, action: &FaultAction) -> Result<Reply, Reset> {
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
            let mut reply = reply::plain(status, HTML, page);
            if status.is_redirection() {
                let elsewhere = HeaderValue::from_static("http://elsewhere.invalid/messages");
                reply.headers_mut().insert(LOCATION, elsewhere);
            }
            Ok(reply)
        }
        FaultAction::Portal => {
            let page = "<html><body><h1>Sign in to this network</h1></body></html>";
            Ok(reply::plain(StatusCode::OK, HTML, page))
        }
        FaultAction::Hang => {
            state.wait(HANG_MAX).await;
            Err(Reset)
        }
        FaultAction::Reset => Err(Reset),
        FaultAction::Garbage
        | FaultAction::NoId
        | FaultAction::Held
        | FaultAction::Contact { .. }
        | FaultAction::Encoded { .. }
        | FaultAction::ByteOrderMark => {
            let body = ReplyBody::whole(&b"\x1f\x8b\x08 not json {"[..]);
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        FaultAction::Truncate => {
            let body = ReplyBody::truncated(br#"{"data":[{"id":"1"}]}"#.to_vec());
            Ok(reply::graph(StatusCode::OK, state.trace(), body))
        }
        // On reads the caller goes on with the real reply after the delay.
        FaultAction::Delay { ms } => {
            state.wait(Duration::from_millis(*ms)).await;
            Ok(state.success())
        }
    }
}
