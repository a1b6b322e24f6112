//! Replies: a body type that can break off in the middle, and builders with the headers Meta sets.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// The error that makes the server reset the connection instead of replying.
#[derive(Debug)]
pub(crate) struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a scripted fault resets this connection")
    }
}

impl std::error::Error for Reset {}

/// A whole body, or one that ends in a reset before the length it announced.
pub(crate) enum ReplyBody {
    Whole(Option<Bytes>),
    Truncated {
        part: Option<Bytes>,
        promised: u64,
        /// Lets the part reach the client before the reset overtakes it.
        pause: Pin<Box<Sleep>>,
    },
}

impl ReplyBody {
    pub(crate) fn whole(body: impl Into<Bytes>) -> ReplyBody {
        ReplyBody::Whole(Some(body.into()))
    }

    /// Returns the first half of `body` with the length of the whole.
    pub(crate) fn truncated(body: Vec<u8>) -> ReplyBody {
        let whole = Bytes::from(body);
        ReplyBody::Truncated {
            part: Some(whole.slice(..whole.len() / 2)),
            promised: whole.len() as u64,
            pause: Box::pin(tokio::time::sleep(Duration::from_millis(30))),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        match &mut *self {
            ReplyBody::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            ReplyBody::Truncated { part, pause, .. } => match part.take() {
                Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
                None => pause.as_mut().poll(context).map(|()| Some(Err(Reset))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            ReplyBody::Truncated { promised, .. } => SizeHint::with_exact(*promised),
        }
    }
}

pub(crate) type Reply = Response<ReplyBody>;

/// The headers of a Graph reply beside `content-type`; `trace` fills the two ids.
const GRAPH_REQUEST_ID: HeaderName = HeaderName::from_static("x-fb-request-id");
const GRAPH_TRACE_ID: HeaderName = HeaderName::from_static("x-fb-trace-id");
const GRAPH_REVISION: HeaderName = HeaderName::from_static("x-fb-rev");
const GRAPH_VERSION: HeaderName = HeaderName::from_static("facebook-api-version");

/// Returns a JSON reply with Meta's headers.
pub(crate) fn graph(status: StatusCode, trace: u64, body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache, no-store, must-revalidate"),
    );
    headers.insert(GRAPH_VERSION, HeaderValue::from_static("v24.0"));
    headers.insert(GRAPH_REVISION, HeaderValue::from_static("1030000000"));
    let id = HeaderValue::from(trace);
    headers.insert(GRAPH_REQUEST_ID, id.clone());
    headers.insert(GRAPH_TRACE_ID, id);
    reply
}

/// Returns a reply without Meta's headers: HTML pages, media, the simulator's own endpoints.
pub(crate) fn plain(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(body));
    *reply.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}
