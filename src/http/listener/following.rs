//! The requests of an HTTP/1 connection on their way to the HTTP library: it gets one at a time, so
//! that the stream is read on, and its end is seen, while a response is made.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::framing::{Framing, Refused};
use super::options::ServerOptions;
use super::progress::Progress;
use crate::clock::Stopwatch;
use crate::metrics::RefusedConnection;

/// What the HTTP library is given instead of a head that is refused: it replies 400 to the first
/// byte and closes.
const REFUSED_HEAD: &[u8] = b"\0\r\n\r\n";

/// The same within a chunked body, of which no line may contain it.
const REFUSED_CHUNK: &[u8] = b"\r\r";

/// Bytes of further requests that are kept while a response is made. Whoever sends more than that
/// ahead is not read any more, so that nobody could tell whether it is still there.
const MOST_AHEAD: usize = 64 << 10;

/// Requests that a client sent ahead and that were not begun so long after it closed its sending
/// side are dropped: it may have given up, and repeat them elsewhere.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(100);

/// What is known of the requests on one connection.
pub(super) struct Following {
    framing: Framing,
    options: Arc<ServerOptions>,
    progress: Arc<Progress>,
    /// Cancelled when the client has closed its sending side, or if nobody can tell.
    finished: CancellationToken,
    /// Since when nothing more is read.
    end: Option<Stopwatch>,
    /// What the client sends on is not wanted.
    refused: bool,
}

/// A connection's bytes: the stream, and what was read of it and not passed on yet.
pub(super) struct Source<'s, T> {
    pub(super) stream: &'s mut T,
    pub(super) ahead: &'s mut BytesMut,
    /// Something of a response may not have left yet.
    pub(super) unflushed: bool,
}

impl Following {
    pub(super) fn new(
        options: Arc<ServerOptions>,
        progress: Arc<Progress>,
        finished: CancellationToken,
    ) -> Following {
        // Heads that are too long are for the HTTP library, which replies 431.
        let framing = Framing::new(options.max_head_bytes.saturating_mul(2));
        Following { framing, options, progress, finished, end: None, refused: false }
    }

    /// Whether reading waits for a response, so that it is to be polled again behind it.
    pub(super) fn waits(&self, ahead: &BytesMut) -> bool {
        self.end.is_some() || !ahead.is_empty()
    }

    /// Whether the client may be sending what nobody will read, so that closing at once would reset
    /// the connection and take the response from it.
    pub(super) fn leaves_unread(&self) -> bool {
        self.refused || (self.end.is_none() && !self.framing.is_between_requests())
    }

    /// Reads no further than to the end of a request. While that one is answered, nothing is passed
    /// on, not even the end.
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        source: &mut Source<'_, T>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.is_answering(source.unflushed) {
            if self.end.is_none()
                && let Poll::Ready(read) = self.read_ahead(source, cx, buffer)
            {
                read?;
                continue;
            }
            if self.waits(source.ahead) {
                self.progress.wake_when_idle(cx.waker());
                if !self.is_answering(source.unflushed) {
                    break;
                }
            }
            return Poll::Pending;
        }
        self.pass_on(source, cx, buffer)
    }

    /// Whether the requests that were passed on are whole, and the last one's response is not
    /// written yet.
    fn is_answering(&self, unflushed: bool) -> bool {
        self.framing.is_between_requests()
            && (unflushed
                || self.progress.is_active()
                || self.progress.begun() < self.framing.heads())
    }

    /// Keeps what comes behind a request that is answered.
    fn read_ahead<T: AsyncRead + Unpin>(
        &mut self,
        source: &mut Source<'_, T>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Read into the library's buffer, because almost always nothing comes.
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *source.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            // A client that has sent whole requests and closes its sending side still reads. The
            // library would take it for gone, so it learns of the end behind the response.
            self.finish();
            return Poll::Ready(Ok(()));
        }
        keep(source.ahead, new);
        buffer.set_filled(before);
        if source.ahead.len() > MOST_AHEAD {
            tracing::debug!(
                "a client sends too much ahead, its connection ends after the response"
            );
            source.ahead.clear();
            self.refused = true;
            self.progress.end();
            self.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        self.end = Some(Stopwatch::start());
        self.finished.cancel();
    }

    /// Passes on what comes next, at most to the end of a request.
    fn pass_on<T: AsyncRead + Unpin>(
        &mut self,
        source: &mut Source<'_, T>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.end.is_some_and(|since| since.elapsed() > GIVEN_UP_AFTER) {
            source.ahead.clear();
        }
        if source.ahead.is_empty() {
            if self.end.is_some() {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut *source.stream).poll_read(cx, buffer))?;
            let new = buffer.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                self.end = Some(Stopwatch::start());
                return Poll::Ready(Ok(()));
            }
            let followed = self.framing.follow(new);
            if let Ok(length) = followed {
                keep(source.ahead, new.get(length..).unwrap_or_default());
            }
            self.cut(buffer, before, followed);
        } else {
            let length = source.ahead.len().min(buffer.remaining());
            let next = source.ahead.get(..length).unwrap_or_default();
            let followed = self.framing.follow(next);
            buffer.put_slice(next);
            source.ahead.advance(followed.unwrap_or(length));
            if source.ahead.is_empty() {
                *source.ahead = BytesMut::new();
            }
            self.cut(buffer, before, followed);
        }
        Poll::Ready(Ok(()))
    }

    /// Cuts what is in `buffer` behind `before` to what may be passed on.
    fn cut(&mut self, buffer: &mut ReadBuf<'_>, before: usize, followed: Result<usize, Refused>) {
        self.progress.came_to(self.framing.is_between_requests());
        let Refused { violation, at, in_head } = match followed {
            Ok(length) => return buffer.set_filled(before.saturating_add(length)),
            Err(refused) => refused,
        };
        self.end = Some(Stopwatch::start());
        self.refused = true;
        self.options.refused(RefusedConnection::Malformed);
        tracing::debug!(violation = violation.as_str(), "a request cannot be read in one way");
        buffer.set_filled(before.saturating_add(at));
        let instead = if in_head { REFUSED_HEAD } else { REFUSED_CHUNK };
        let room = buffer.remaining().min(instead.len());
        buffer.put_slice(instead.get(..room).unwrap_or_default());
    }
}

/// Keeps the beginning of a further request, without empty lines before it.
fn keep(ahead: &mut BytesMut, bytes: &[u8]) {
    ahead.extend_from_slice(bytes);
    while ahead.starts_with(b"\r\n") {
        ahead.advance(2);
    }
}
