//! Responses until they are written, and the HTTP/2 streams among them whose client takes nothing.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::Sleep;

use super::progress::Ticket;
use crate::clock::Stopwatch;

thread_local! {
    /// Since when the response of the stream that is polled on this thread waits for its client: it
    /// has something to write, and is not asked for more.
    static WAITING: Cell<Option<Stopwatch>> = const { Cell::new(None) };
}

/// A response's body, which keeps its request's ticket until it is written.
pub(super) struct Watched<B> {
    body: B,
    http2: bool,
    _ticket: Ticket,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, http2: bool, ticket: Ticket) -> Watched<B> {
        if http2 {
            WAITING.set(Some(Stopwatch::start()));
        }
        Watched { body, http2, _ticket: ticket }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if self.http2 {
            WAITING.set(polled.is_ready().then(Stopwatch::start));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs the streams of an HTTP/2 connection. One whose client gives it no room for a byte of its
/// response - which the connection's writes cannot tell - is reset after a time.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    write_timeout: Duration,
}

impl Streams {
    pub(super) const fn new(write_timeout: Duration) -> Streams {
        Streams { write_timeout }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = Box::pin(stream);
        tokio::spawn(Stream { stream, timeout: self.write_timeout, waiting: None, timer: None });
    }
}

/// One stream; dropped, it is reset.
struct Stream<F> {
    stream: Pin<Box<F>>,
    timeout: Duration,
    waiting: Option<Stopwatch>,
    /// Runs only while the response waits for its client.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        WAITING.set(self.waiting);
        let polled = self.stream.as_mut().poll(cx);
        self.waiting = WAITING.take();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = self.waiting else {
            self.timer = None;
            return Poll::Pending;
        };
        loop {
            let left = self.timeout.saturating_sub(since.elapsed());
            if left.is_zero() {
                tracing::debug!("a stream is reset, because its client takes nothing");
                return Poll::Ready(());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It ran since an earlier wait.
            self.timer = None;
        }
    }
}
