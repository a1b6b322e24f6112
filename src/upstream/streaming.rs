//! Passes other Graph requests through without reading them; both bodies are streamed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::time::Sleep;

use super::body::{BoxError, StreamBody};
use super::client::{NotSentReason, Upstream};
use super::connect::{lost, not_sent};
use super::headers;
use super::outcome::UnknownReason;
use super::target::{AccessToken, BaseUrl};

/// The head of a request that passes through.
#[derive(Debug)]
pub struct PassThrough<'a> {
    /// The address of the Graph API that the path is below.
    pub base: &'a BaseUrl,
    /// The channel's token; replaces the client's `Authorization`.
    pub token: &'a AccessToken,
    /// The client's method, passed on unchanged.
    pub method: Method,
    /// The path and query at Meta, for example `/v24.0/106540352242922/media`.
    pub path_and_query: &'a str,
    /// The client's headers; only harmless end-to-end ones are passed on.
    pub headers: &'a HeaderMap,
}

/// Why a request that should pass through got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Provably nothing was sent.
    #[error("nothing was sent: {}", .0.as_str())]
    NotSent(NotSentReason),
    /// It may have been carried out.
    #[error("no answer: {}", .0.as_str())]
    NoAnswer(UnknownReason),
}

/// A body of which nothing came for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body made no progress for {0:?}")]
pub struct Stalled(pub Duration);

impl Upstream {
    /// Sends a request and returns its answer as soon as the answer's head has come; both bodies
    /// may still be streaming then.
    ///
    /// Nothing is repeated and no redirect is followed. Each body fails with [`Stalled`] if it
    /// makes no progress for [`super::client::UpstreamOptions::stream_idle_timeout`]; the answer's
    /// head may take that long after the last progress.
    pub async fn stream<B>(
        &self,
        request: PassThrough<'_>,
        body: B,
    ) -> Result<Response<StreamBody>, StreamError>
    where
        B: Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let idle = self.options().stream_idle_timeout;
        let uri = request
            .base
            .join(request.path_and_query)
            .ok_or(StreamError::NotSent(NotSentReason::InvalidPath))?;
        let progress = Arc::new(AtomicU64::new(0));
        let body = IdleBody { inner: body, idle, timer: None, progress: Arc::clone(&progress) };
        let mut upstream_request = Request::new(BoxBody::new(body));
        *upstream_request.method_mut() = request.method;
        *upstream_request.uri_mut() = uri;
        *upstream_request.headers_mut() = headers::for_pass_through(request.headers, request.token);

        let answering = self.streams.request(upstream_request);
        tokio::pin!(answering);
        let mut seen = 0;
        let response = loop {
            match tokio::time::timeout(idle, &mut answering).await {
                Ok(Ok(response)) => break response,
                Ok(Err(error)) => {
                    let not_sent = not_sent(&error).map(StreamError::NotSent);
                    return Err(not_sent.unwrap_or_else(|| StreamError::NoAnswer(lost(&error))));
                }
                Err(_) => {
                    let now = progress.load(Ordering::Relaxed);
                    if now == seen {
                        return Err(StreamError::NoAnswer(UnknownReason::Deadline));
                    }
                    seen = now;
                }
            }
        };
        Ok(passed_back(response, idle))
    }
}

fn passed_back(response: Response<Incoming>, idle: Duration) -> Response<StreamBody> {
    let (mut parts, body) = response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    Response::from_parts(
        parts,
        IdleBody { inner: body, idle, timer: None, progress: Arc::default() }.boxed(),
    )
}

/// Fails if the inner body makes no progress for `idle`, and counts its frames.
struct IdleBody<B> {
    inner: B,
    idle: Duration,
    /// Runs only while the inner body has nothing.
    timer: Option<Pin<Box<Sleep>>>,
    progress: Arc<AtomicU64>,
}

impl<B> Body for IdleBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.timer = None;
            this.progress.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.idle)));
        timer.as_mut().poll(cx).map(|()| Some(Err(Stalled(this.idle).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
