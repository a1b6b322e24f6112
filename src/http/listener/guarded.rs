//! A connection whose writes cannot block for ever, whose requests are followed for what could be
//! read in two ways, and whose client may close its sending side and still get its answer.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::following::{Following, Source};
use super::options::ServerOptions;
use super::progress::Progress;

/// How long a client may go on sending what nobody reads after its response, so that closing does
/// not reset the connection and take the response from it.
const LINGER: Duration = Duration::from_secs(1);

/// Pieces of that which are read in one go.
const DISCARDED_AT_ONCE: usize = 16;

/// A connection whose writes fail with `TimedOut` if the peer takes nothing for too long.
pub(super) struct GuardedStream<T> {
    inner: T,
    /// Bytes that were read and are not passed on yet.
    ahead: BytesMut,
    write_timeout: Duration,
    /// Runs only while a write cannot go on.
    timer: Option<Pin<Box<Sleep>>>,
    /// Something may not have left yet.
    unflushed: bool,
    following: Option<Following>,
    /// Runs while what nobody reads is still coming.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<T> GuardedStream<T> {
    /// `ahead` was read from `inner` before.
    pub(super) fn new(inner: T, write_timeout: Duration, ahead: Bytes) -> GuardedStream<T> {
        GuardedStream {
            inner,
            ahead: ahead.into(),
            write_timeout,
            timer: None,
            unflushed: false,
            following: None,
            lingering: None,
        }
    }

    /// From now on the bytes are HTTP/1 requests.
    pub(super) fn following(
        mut self,
        options: Arc<ServerOptions>,
        progress: Arc<Progress>,
        finished: CancellationToken,
    ) -> GuardedStream<T> {
        self.following = Some(Following::new(options, progress, finished));
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

impl<T: AsyncRead + Unpin> AsyncRead for GuardedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let GuardedStream { inner, ahead, following, unflushed, .. } = &mut *self;
        if let Some(following) = following {
            let mut source = Source { stream: inner, ahead, unflushed: *unflushed };
            return following.poll_read(&mut source, cx, buffer);
        }
        if ahead.is_empty() {
            return Pin::new(inner).poll_read(cx, buffer);
        }
        let taken = ahead.len().min(buffer.remaining());
        buffer.put_slice(&ahead.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> GuardedStream<T> {
    /// Reads and drops what still comes, until the client ends or its time is over.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [MaybeUninit::uninit(); 8192];
        for _ in 0..DISCARDED_AT_ONCE {
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedStream<T> {
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
            // Reading may have waited for this.
            if self.following.as_ref().is_some_and(|following| following.waits(&self.ahead)) {
                cx.waker().wake_by_ref();
            }
        }
        self.guard(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
            ready!(self.guard(cx, shut))?;
        }
        if self.following.as_ref().is_some_and(Following::leaves_unread) {
            ready!(self.poll_discard(cx));
        }
        Poll::Ready(Ok(()))
    }
}
