//! A connection whose writes cannot block for ever, whose requests are followed for what could be
//! read in two ways, and whose client may close its sending side and still get its answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::framing::{Framing, Refused};
use super::options::ServerOptions;
use super::progress::Progress;
use crate::metrics::RefusedConnection;

/// What the HTTP library is given instead of a head that is refused: it replies 400 to the first
/// byte and closes.
const REFUSED_HEAD: &[u8] = b"\0\r\n\r\n";

/// A connection whose writes fail with `TimedOut` if the peer takes nothing for too long.
pub(super) struct GuardedStream<T> {
    inner: T,
    /// Bytes that were read before, or stand in for those that were.
    ahead: Bytes,
    write_timeout: Duration,
    /// Runs only while a write cannot go on.
    timer: Option<Pin<Box<Sleep>>>,
    /// Something may not have left yet.
    unflushed: bool,
    following: Option<Following>,
}

/// What is known of the requests on an HTTP/1 connection.
struct Following {
    framing: Framing,
    options: Arc<ServerOptions>,
    progress: Arc<Progress>,
    /// Cancelled when the client has closed its sending side.
    finished: CancellationToken,
    /// Nothing more is read.
    ended: bool,
}

impl<T> GuardedStream<T> {
    /// `ahead` was read from `inner` before.
    pub(super) fn new(inner: T, write_timeout: Duration, ahead: Bytes) -> GuardedStream<T> {
        GuardedStream {
            inner,
            ahead,
            write_timeout,
            timer: None,
            unflushed: false,
            following: None,
        }
    }

    /// From now on the bytes are HTTP/1 requests.
    pub(super) fn following(
        mut self,
        options: Arc<ServerOptions>,
        progress: Arc<Progress>,
        finished: CancellationToken,
    ) -> GuardedStream<T> {
        // Heads that are too long are for the HTTP library, which replies 431.
        let framing = Framing::new(options.max_head_bytes.saturating_mul(2));
        self.following = Some(Following { framing, options, progress, finished, ended: false });
        self
    }

    /// Returns a write's result unchanged, or `TimedOut` if the wait has taken too long.
    fn guard<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let timeout = self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> GuardedStream<T> {
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let taken = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for GuardedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let Some(mut following) = this.following.take() else { return this.read(cx, buffer) };
        let polled = if following.ended { Poll::Ready(Ok(())) } else { this.read(cx, buffer) };
        let read = match polled {
            Poll::Ready(Ok(())) => following.check(cx, buffer, before, this.unflushed),
            other => other,
        };
        this.following = Some(following);
        read
    }
}

impl Following {
    /// Looks at what was read into `buffer` behind `before`.
    fn check(
        &mut self,
        cx: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
        before: usize,
        unflushed: bool,
    ) -> Poll<io::Result<()>> {
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            self.ended = true;
            // A client that has sent whole requests and closes its sending side still reads. The
            // library would take it for gone, so it learns of the end when the response is written
            // and it asks for the next request.
            if self.framing.is_between_requests()
                && (self.progress.wake_when_idle(cx.waker()) || unflushed)
            {
                self.finished.cancel();
                return Poll::Pending;
            }
            return Poll::Ready(Ok(()));
        }
        let Err(Refused { violation, at, in_head }) = self.framing.follow(new) else {
            return Poll::Ready(Ok(()));
        };
        self.ended = true;
        self.options.refused(RefusedConnection::Malformed);
        tracing::debug!(violation = violation.as_str(), "a request cannot be read in one way");
        if in_head {
            buffer.set_filled(before.saturating_add(at));
            let room = buffer.remaining().min(REFUSED_HEAD.len());
            buffer.put_slice(REFUSED_HEAD.get(..room).unwrap_or_default());
        }
        // Chunks are as strict in the library, which tells the handler of that request.
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for GuardedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.guard(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.guard(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() && std::mem::take(&mut self.unflushed) {
            // The end of reading may have waited for this.
            if self.following.as_ref().is_some_and(|following| following.ended) {
                cx.waker().wake_by_ref();
            }
        }
        self.guard(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.guard(cx, shut)
    }
}
