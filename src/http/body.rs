//! Reads a request's body whole, bounded in size, in time and in the memory of all bodies.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dashmap::mapref::entry::Entry;
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::ids::{AccountId, SharedMap};

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
    /// The bodies in memory, or those of its account alone, leave no room for this one.
    #[error("the bodies that are in memory, or those of its account, leave no room for this one")]
    NoRoom,
}

/// The memory that bodies may take together; those of one account at most half of it.
#[derive(Debug)]
pub struct BodyMemory {
    limit: usize,
    taken: AtomicUsize,
    /// What each account takes, those without a body left out.
    accounts: SharedMap<AccountId, usize>,
}

/// What one body takes of it; given back when it is dropped.
#[derive(Debug)]
pub struct BodyRoom<'m> {
    memory: &'m BodyMemory,
    account: AccountId,
    bytes: usize,
}

impl BodyMemory {
    /// Room for `limit` bytes.
    pub fn new(limit: usize) -> BodyMemory {
        BodyMemory { limit, taken: AtomicUsize::new(0), accounts: SharedMap::default() }
    }

    /// Room for a body of this account, of which nothing has come yet.
    pub fn room(&self, account: &AccountId) -> BodyRoom<'_> {
        BodyRoom { memory: self, account: account.clone(), bytes: 0 }
    }
}

impl BodyRoom<'_> {
    /// Makes it room for `bytes` in all.
    ///
    /// # Errors
    /// [`BodyError::NoRoom`] if the bodies together, or those of its account, would take more than
    /// they may.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), BodyError> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let BodyMemory { limit, taken, accounts } = self.memory;
        self.bytes = self.bytes.saturating_add(more);
        // Counted first, so that two at once cannot both take the last.
        let together = taken.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let own = {
            let mut own = accounts.entry(self.account.clone()).or_default();
            *own = own.saturating_add(more);
            *own
        };
        if together > *limit || own > *limit / 2 { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for BodyRoom<'_> {
    fn drop(&mut self) {
        self.memory.give_back(&self.account, self.bytes);
    }
}

/// What a body takes that is on its way to a client; given back when it is dropped.
#[derive(Debug)]
pub struct KeptRoom {
    memory: Arc<BodyMemory>,
    account: AccountId,
    bytes: usize,
}

impl Drop for KeptRoom {
    fn drop(&mut self) {
        self.memory.give_back(&self.account, self.bytes);
    }
}

impl BodyMemory {
    /// A room of this memory for a body that outlives the borrow.
    pub fn keep(self: &Arc<Self>, mut room: BodyRoom<'_>) -> KeptRoom {
        let bytes = std::mem::take(&mut room.bytes);
        KeptRoom { memory: Arc::clone(self), account: room.account.clone(), bytes }
    }

    fn give_back(&self, account: &AccountId, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        if let Entry::Occupied(mut own) = self.accounts.entry(account.clone()) {
            let left = own.get().saturating_sub(bytes);
            if left == 0 {
                own.remove();
            } else {
                own.insert(left);
            }
        }
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
    read(body, limit, deadline, None).await
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
    read(body, limit, deadline, Some(room)).await
}

async fn read<B>(
    body: B,
    limit: usize,
    deadline: Duration,
    room: Option<&mut BodyRoom<'_>>,
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

async fn collect<B>(
    mut body: B,
    limit: usize,
    mut room: Option<&mut BodyRoom<'_>>,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let mut grow_to = |bytes| room.as_mut().map_or(Ok(()), |room| room.grow_to(bytes));
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let read = first.len().max(whole.len());
        if piece.len() > limit.saturating_sub(read) {
            return Err(BodyError::TooLarge { limit });
        }
        if read == 0 {
            grow_to(piece.len())?;
            first = piece;
            continue;
        }
        if whole.is_empty() {
            let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(AHEAD);
            whole.reserve(first.len().saturating_add(piece.len()).saturating_add(expected));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
        grow_to(whole.capacity())?;
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests {
    use super::{BodyError, BodyMemory, BodyRoom, read_body, read_body_into};
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

    fn room<'m>(memory: &'m BodyMemory, account: &str) -> BodyRoom<'m> {
        memory.room(&account.parse().unwrap())
    }

    #[test]
    fn an_account_takes_half_and_leaves_the_rest_to_others() {
        let memory = BodyMemory::new(100);
        let mut bodies: Vec<_> = (0..5).map(|_| room(&memory, "acme")).collect();
        assert!(bodies.iter_mut().all(|body| body.grow_to(10) == Ok(())));
        let mut sixth = room(&memory, "acme");
        assert_eq!(sixth.grow_to(1), Err(BodyError::NoRoom));
        drop(sixth);
        assert_eq!(bodies[0].grow_to(11), Err(BodyError::NoRoom), "one in work may not grow");
        drop(bodies.pop());
        assert_eq!(room(&memory, "acme").grow_to(9), Ok(()));
        // The other half is for others.
        let mut rival = room(&memory, "rival");
        assert_eq!(rival.grow_to(50), Ok(()));
        assert_eq!(rival.grow_to(50), Ok(()), "no more than before");
        assert_eq!(room(&memory, "third").grow_to(10), Err(BodyError::NoRoom));
        drop((bodies, rival));
        assert_eq!(
            (memory.taken.load(std::sync::atomic::Ordering::Relaxed), memory.accounts.len()),
            (0, 0)
        );
    }

    #[tokio::test]
    async fn all_bodies_share_their_memory() {
        let memory = BodyMemory::new(10);
        let room = |account: &str| room(&memory, account);
        let full = |bytes: &'static [u8]| Full::new(Bytes::from_static(bytes));
        let (mut one, mut two) = (room("a"), room("b"));
        assert!(read_body_into(full(b"12345"), 10, SOON, &mut one).await.is_ok());
        assert!(read_body_into(full(b"1234"), 10, SOON, &mut two).await.is_ok());
        let third = read_body_into(full(b"12"), 10, SOON, &mut room("c")).await;
        assert_eq!(third, Err(BodyError::NoRoom));
        let fourth = read_body_into(full(b"1"), 10, SOON, &mut room("a")).await;
        assert_eq!(fourth, Err(BodyError::NoRoom));
        drop(two);
        assert!(read_body_into(full(b"12345"), 10, SOON, &mut room("b")).await.is_ok());
        drop(one);
        let pieces: [&'static [u8]; 3] = [b"1234", b"5", b"6"];
        let joined = Pieces(pieces.into(), Then::End);
        let refused = read_body_into(joined, 10, SOON, &mut room("a")).await;
        assert_eq!(refused, Err(BodyError::NoRoom), "the joined copy has room to grow");
        assert!(read_body_into(full(b"12345"), 10, SOON, &mut room("a")).await.is_ok());
    }

    #[test]
    fn a_room_is_kept_beyond_its_request() {
        let memory = std::sync::Arc::new(BodyMemory::new(20));
        let account = "acme".parse().expect("an id");
        let mut room = memory.room(&account);
        room.grow_to(10).expect("there is room");
        let kept = memory.keep(room);
        assert_eq!(memory.room(&account).grow_to(1), Err(BodyError::NoRoom));
        drop(kept);
        assert_eq!(memory.room(&account).grow_to(10), Ok(()));
        assert_eq!(memory.accounts.len(), 0);
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
