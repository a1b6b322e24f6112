//! Replies whose bodies are streamed: upstream's as they come, or a rejection.

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::Either;
use hyper::body::Body;

use super::heard::Heard;
use super::rejected::Rejected;
use super::reply;
use super::service::SendService;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::rejection::RejectionKind;
use crate::upstream::body::{BoxError, StreamBody};
use crate::upstream::streaming::{PassThrough, StreamError};

/// A reply whose body may be streamed.
pub type StreamedReply = Response<Either<Heard, StreamBody>>;

/// Sends a request on, and returns its answer as it comes.
///
/// # Errors
/// Nothing was sent, or nothing came back.
pub async fn stream<B>(
    service: &SendService,
    request: PassThrough<'_>,
    body: B,
) -> Result<Response<StreamBody>, Rejected>
where
    B: Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    service.services.upstream.stream(request, body).await.map_err(|error| match error {
        StreamError::NotSent(reason) => Rejected::unreachable(reason.as_str(), "nothing was sent"),
        StreamError::NoAnswer(reason) => Rejected::no_answer(reason.as_str()),
        StreamError::Stalled(stalled) => Rejected::new(RejectionKind::RequestTimeout, stalled),
    })
}

/// The reply to a request with these headers; a rejection is counted.
pub fn finished(
    service: &SendService,
    headers: &HeaderMap,
    result: Result<Response<StreamBody>, Rejected>,
) -> StreamedReply {
    let request_id = RequestId::of(headers, service.services.clock.now_ms());
    match result {
        Ok(mut answer) => {
            reply::strip_misleading(answer.headers_mut());
            answer.headers_mut().insert(X_REQUEST_ID, request_id.header());
            answer.map(Either::Right)
        }
        Err(rejected) => {
            service.services.metrics.rejection(rejected.kind);
            reply::rejection(&rejected, None, &request_id).map(|body| Either::Left(body.into()))
        }
    }
}
