//! Passes other Graph requests through; both bodies are streamed, and both must make progress.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::time::Sleep;

use super::body::{BoxError, StreamBody};
use super::client::{NotSentReason, Upstream, UpstreamOptions};
use super::connect::{Failed, cause, failed};
use super::headers;
use super::outcome::UnknownReason;
use super::pass_through::Passing;
use super::target::{AccessToken, BaseUrl};
use crate::clock::Stopwatch;

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
    /// What the request carries; decides which headers those are.
    pub passing: Passing,
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
    /// The client's body came too slowly; upstream got a part of it.
    #[error("{0}")]
    Stalled(Stalled),
}

/// A body of which too little came for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body made no progress to speak of for {0:?}")]
pub struct Stalled(pub Duration);

impl Upstream {
    /// Sends a request and returns its answer as soon as the answer's head has come; both bodies
    /// may still be streaming then.
    ///
    /// Nothing is repeated and no redirect is followed. Each body fails with [`Stalled`] if fewer
    /// bytes of it come than [`super::client::UpstreamOptions::stream_least_bytes`] while it is
    /// waited for for [`super::client::UpstreamOptions::stream_idle_timeout`]; the answer's head
    /// may take that long after the last progress. Trailers are dropped.
    pub async fn stream<B>(
        &self,
        request: PassThrough<'_>,
        body: B,
    ) -> Result<Response<StreamBody>, StreamError>
    where
        B: Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let pace = Pace::of(self.options());
        let uri = request
            .base
            .join(request.path_and_query)
            .ok_or(StreamError::NotSent(NotSentReason::InvalidPath))?;
        let progress = Arc::new(Progress::default());
        let body = IdleBody::new(body, pace, Arc::clone(&progress));
        let mut upstream_request = Request::new(BoxBody::new(body));
        *upstream_request.method_mut() = request.method;
        *upstream_request.uri_mut() = uri;
        *upstream_request.headers_mut() =
            headers::for_pass_through(request.headers, request.token, &request.passing);

        let answering = self.streams.request(upstream_request);
        tokio::pin!(answering);
        let (mut seen, mut excused) = (0, false);
        let response = loop {
            match tokio::time::timeout(pace.idle, &mut answering).await {
                Ok(Ok(response)) => break response,
                Ok(Err(error)) => {
                    if let Some(stalled) = cause::<Stalled>(&error) {
                        return Err(StreamError::Stalled(*stalled));
                    }
                    return Err(match failed(&error) {
                        Failed::NotSent(reason) => StreamError::NotSent(reason),
                        Failed::Unknown(reason) => StreamError::NoAnswer(reason),
                    });
                }
                Err(_) => {
                    let now = progress.frames.load(Ordering::Relaxed);
                    // A body that is waited for ends by itself, at about this time.
                    let awaited = progress.awaited.load(Ordering::Relaxed) && !excused;
                    if now == seen && !awaited {
                        return Err(StreamError::NoAnswer(UnknownReason::Deadline));
                    }
                    (seen, excused) = (now, now == seen);
                }
            }
        };
        Ok(passed_back(response, pace))
    }
}

fn passed_back(response: Response<Incoming>, pace: Pace) -> Response<StreamBody> {
    let (mut parts, body) = response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    Response::from_parts(parts, IdleBody::new(body, pace, Arc::default()).boxed())
}

/// How a body is doing.
#[derive(Debug, Default)]
struct Progress {
    /// Pieces that came.
    frames: AtomicU64,
    /// The next one is waited for.
    awaited: AtomicBool,
}

/// How slow a body may be.
#[derive(Debug, Clone, Copy)]
struct Pace {
    idle: Duration,
    least: usize,
}

impl Pace {
    fn of(options: &UpstreamOptions) -> Pace {
        Pace { idle: options.stream_idle_timeout, least: options.stream_least_bytes }
    }
}

/// Fails if the inner body is waited for for `pace.idle` and fewer bytes than `pace.least` come
/// meanwhile; counts its frames, and drops those that are not data.
struct IdleBody<B> {
    inner: B,
    pace: Pace,
    /// How long it was waited for since there was progress, and how many bytes came since.
    waited: Duration,
    bytes: usize,
    /// Run only while the inner body has nothing.
    waiting: Option<(Stopwatch, Pin<Box<Sleep>>)>,
    progress: Arc<Progress>,
}

impl<B> IdleBody<B> {
    fn new(inner: B, pace: Pace, progress: Arc<Progress>) -> IdleBody<B> {
        IdleBody { inner, pace, waited: Duration::ZERO, bytes: 0, waiting: None, progress }
    }

    fn came(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= self.pace.least {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        if bytes > 0 {
            self.progress.frames.fetch_add(1, Ordering::Relaxed);
        }
    }
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
        while let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.progress.awaited.store(false, Ordering::Relaxed);
            let data = match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                // Trailers would be headers that nobody has looked at.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            this.came(data.len());
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        this.progress.awaited.store(true, Ordering::Relaxed);
        let left = this.pace.idle.saturating_sub(this.waited);
        let begin = || (Stopwatch::start(), Box::pin(tokio::time::sleep(left)));
        let (_, timer) = this.waiting.get_or_insert_with(begin);
        timer.as_mut().poll(cx).map(|()| Some(Err(Stalled(this.pace.idle).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::{IdleBody, Pace};
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use hyper::HeaderMap;
    use hyper::body::{Body, Frame};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    #[tokio::test]
    async fn trailers_are_dropped() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-http-method-override", "DELETE".parse().expect("a value"));
        let data = |text: &'static str| Frame::data(Bytes::from_static(text.as_bytes()));
        let frames = [data("a"), Frame::trailers(trailers.clone()), data("b"), data("")];
        let frames = Frames(frames.into_iter().chain([Frame::trailers(trailers)]).collect());
        let pace = Pace { idle: Duration::from_secs(30), least: 1 };
        let whole = IdleBody::new(frames, pace, Default::default()).collect().await;
        let whole = whole.expect("it ends");
        assert_eq!(whole.trailers(), None);
        assert_eq!(whole.to_bytes(), "ab");
    }
}
