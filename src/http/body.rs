//! Reads a request's body whole, bounded in size, in time and in the memory of all bodies.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit, as declared or as it came.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not complete within the deadline.
    #[error("the body did not arrive within {deadline:?}")]
    Slow {
        /// The time from the start of reading that was allowed.
        deadline: Duration,
    },
    /// The connection ended before the body did.
    #[error("the body ended early")]
    Disconnected,
    /// The chunks are not well formed.
    #[error("the chunks of the body are not well formed")]
    Malformed,
    /// The bodies in memory leave no room for this one.
    #[error("the bodies that are in memory leave no room for this one")]
    NoRoom,
}

/// The memory that bodies may take together.
#[derive(Debug)]
pub struct BodyMemory {
    limit: usize,
    taken: AtomicUsize,
}

/// What one body takes of it; given back when it is dropped.
#[derive(Debug)]
pub struct BodyRoom<'m> {
    memory: &'m BodyMemory,
    bytes: usize,
}

impl BodyMemory {
    /// Room for `limit` bytes.
    pub const fn new(limit: usize) -> BodyMemory {
        BodyMemory { limit, taken: AtomicUsize::new(0) }
    }

    /// Room for a body of which nothing has come yet.
    pub const fn room(&self) -> BodyRoom<'_> {
        BodyRoom { memory: self, bytes: 0 }
    }
}

impl BodyRoom<'_> {
    /// Makes it room for `bytes` in all.
    ///
    /// # Errors
    /// [`BodyError::NoRoom`] if the bodies together would take more than they may.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), BodyError> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let BodyMemory { limit, taken } = self.memory;
        let before = taken.fetch_add(more, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(more);
        if before.saturating_add(more) > *limit { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for BodyRoom<'_> {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What is made room for beyond the pieces that have come, at most: a client that declares much and
/// sends little takes little.
const AHEAD: usize = 64 * 1024;

/// The whole body, of declared length or chunked; trailers are dropped. A body that came in one
/// piece is not copied.
pub async fn read_body<B>(body: B, limit: usize, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let memory = BodyMemory::new(usize::MAX);
    read_body_into(body, limit, deadline, &mut memory.room()).await
}

/// Like [`read_body`]; fails with [`BodyError::NoRoom`] if `room` cannot grow by what comes.
pub async fn read_body_into<B>(
    body: B,
    limit: usize,
    deadline: Duration,
    room: &mut BodyRoom<'_>,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    tokio::time::timeout(deadline, collect(body, limit, room))
        .await
        .unwrap_or(Err(BodyError::Slow { deadline }))
}

/// What a body's error means: the decoder of chunks has a kind of its own for what it cannot read.
fn broken(error: &(dyn Error + 'static)) -> BodyError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) = kind {
            return BodyError::Malformed;
        }
        cause = error.source();
    }
    BodyError::Disconnected
}

async fn collect<B>(mut body: B, limit: usize, room: &mut BodyRoom<'_>) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let read = first.len().max(whole.len());
        if piece.len() > limit.saturating_sub(read) {
            return Err(BodyError::TooLarge { limit });
        }
        if read == 0 {
            room.grow_to(piece.len())?;
            first = piece;
            continue;
        }
        if whole.is_empty() {
            let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(AHEAD);
            whole.reserve(first.len().saturating_add(piece.len()).saturating_add(expected));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
        room.grow_to(whole.capacity())?;
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests {
    use super::{BodyError, BodyMemory, read_body, read_body_into};
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::body::{Body, Frame};
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(5);

    /// What follows the last piece.
    #[derive(Clone, Copy, PartialEq)]
    enum Then {
        End,
        Break(io::ErrorKind),
        Silence,
    }

    /// A body of unknown length.
    struct Pieces(VecDeque<&'static [u8]>, Then);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            match (self.0.pop_front(), self.1) {
                (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                (None, Then::End) => Poll::Ready(None),
                (None, Then::Break(kind)) => Poll::Ready(Some(Err(kind.into()))),
                (None, Then::Silence) => Poll::Pending,
            }
        }
    }

    async fn read(pieces: &[&'static [u8]], then: Then, limit: usize) -> Result<Bytes, BodyError> {
        read_body(Pieces(pieces.iter().copied().collect(), then), limit, SOON).await
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        assert_eq!(read(&[], Then::End, 10).await, Ok(Bytes::new()));
        assert_eq!(read(&[b"abc"], Then::End, 3).await, Ok(Bytes::from_static(b"abc")));
        assert_eq!(
            read(&[b"", b"ab", b"", b"c", b"de"], Then::End, 5).await,
            Ok(Bytes::from_static(b"abcde"))
        );
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let read = read_body(Full::new(piece.clone()), 100, SOON).await.expect("it fits");
        assert_eq!(read.as_ptr(), piece.as_ptr());
    }

    #[tokio::test]
    async fn size_is_bounded() {
        let too_large = Err(BodyError::TooLarge { limit: 3 });
        assert_eq!(read(&[b"abcd"], Then::Silence, 3).await, too_large);
        assert_eq!(read(&[b"ab", b"cd"], Then::Silence, 3).await, too_large);
        assert_eq!(read(&[b"a", b"b", b"cd"], Then::Silence, 3).await, too_large);
        assert_eq!(read_body(Full::new(Bytes::from_static(b"abcd")), 3, SOON).await, too_large);
    }

    #[tokio::test]
    async fn all_bodies_share_their_memory() {
        let memory = BodyMemory::new(10);
        let full = |bytes: &'static [u8]| Full::new(Bytes::from_static(bytes));
        let (mut one, mut two) = (memory.room(), memory.room());
        assert!(read_body_into(full(b"123456"), 10, SOON, &mut one).await.is_ok());
        let second = read_body_into(full(b"12345"), 10, SOON, &mut two).await;
        assert_eq!(second, Err(BodyError::NoRoom));
        drop(two);
        assert!(read_body_into(full(b"1234"), 10, SOON, &mut memory.room()).await.is_ok());
        drop(one);
        let pieces: [&'static [u8]; 3] = [b"12345678", b"9", b"0"];
        let joined = Pieces(pieces.into(), Then::End);
        let refused = read_body_into(joined, 10, SOON, &mut memory.room()).await;
        assert_eq!(refused, Err(BodyError::NoRoom), "the joined copy has room to grow");
        assert_eq!(memory.taken.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn broken_and_slow_bodies_are_told_apart() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionReset, BodyError::Disconnected),
            (io::ErrorKind::UnexpectedEof, BodyError::Disconnected),
            (io::ErrorKind::InvalidInput, BodyError::Malformed),
        ] {
            assert_eq!(read(&[b"ab"], Then::Break(kind), 10).await, Err(expected));
        }
        let deadline = Duration::from_millis(20);
        let silent = Pieces([&b"ab"[..]].into(), Then::Silence);
        assert_eq!(read_body(silent, 10, deadline).await, Err(BodyError::Slow { deadline }));
    }
}
