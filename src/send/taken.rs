//! A reply's body that holds what its request was given, until the client has taken it or takes no
//! more: a client that lets a stream stand keeps nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use crate::upstream::body::{BoxError, StreamBody};
use crate::upstream::streaming::Stalled;

/// Bytes of the largest piece that is handed out at once: what is ahead of the client is held by
/// nothing.
const PIECE: usize = 64 * 1024;

/// Bytes that a client takes at least while it is waited for.
const LEAST: usize = 16 * 1024;

/// `body` that ends with [`Stalled`] if the client takes less than 16 KiB of it within `patience`;
/// whatever happens first, `held` is dropped with it.
pub fn taken<T: Send + 'static>(body: StreamBody, held: T, patience: Duration) -> StreamBody {
    let standing =
        Standing { body, rest: Bytes::new(), _held: held, taken: 0, awaited: false, polled: false };
    let shared = Arc::new(Mutex::new(State::Standing(standing)));
    let watch = tokio::spawn(watch(Arc::downgrade(&shared), patience)).abort_handle();
    Taken { shared, watch, patience }.boxed()
}

enum State<T> {
    Standing(Standing<T>),
    Ended,
    Stalled,
}

struct Standing<T> {
    body: StreamBody,
    /// What is left of its last piece.
    rest: Bytes,
    _held: T,
    /// Bytes that the client took since it was last looked at.
    taken: usize,
    /// It is upstream that is waited for, not the client.
    awaited: bool,
    /// The client's stream was polled since it was last looked at.
    polled: bool,
}

struct Taken<T> {
    shared: Arc<Mutex<State<T>>>,
    watch: AbortHandle,
    patience: Duration,
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes away what is held from a client that takes nothing. Its stream is not polled, so it
/// cannot see that for itself.
async fn watch<T>(shared: Weak<Mutex<State<T>>>, patience: Duration) {
    loop {
        tokio::time::sleep(patience).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut state = lock(&shared);
        let State::Standing(standing) = &mut *state else { return };
        // A body of upstream's ends by itself if nothing comes, but only while it is polled: a
        // client may take its window back after it has asked for more.
        let upstream = standing.awaited && standing.polled;
        if standing.taken < LEAST && !upstream {
            *state = State::Stalled;
            return;
        }
        (standing.taken, standing.polled) = (0, false);
    }
}

impl<T: Send> Body for Taken<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = lock(&self.shared);
        let standing = match &mut *state {
            State::Standing(standing) => standing,
            State::Ended => return Poll::Ready(None),
            State::Stalled => return Poll::Ready(Some(Err(Stalled(self.patience).into()))),
        };
        standing.polled = true;
        if standing.rest.is_empty() {
            let polled = Pin::new(&mut standing.body).poll_frame(cx);
            standing.awaited = polled.is_pending();
            match polled {
                Poll::Ready(Some(Ok(frame))) => {
                    standing.rest = frame.into_data().unwrap_or_default();
                }
                Poll::Ready(ended) => {
                    *state = State::Ended;
                    return Poll::Ready(ended);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        let length = standing.rest.len().min(PIECE);
        standing.taken = standing.taken.saturating_add(length);
        Poll::Ready(Some(Ok(Frame::data(standing.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        match &*lock(&self.shared) {
            State::Standing(standing) => standing.rest.is_empty() && standing.body.is_end_stream(),
            State::Ended => true,
            State::Stalled => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*lock(&self.shared) {
            State::Standing(standing) => {
                let exact = standing.body.size_hint().exact();
                let rest = standing.rest.len() as u64;
                exact.map_or_else(SizeHint::default, |exact| {
                    SizeHint::with_exact(exact.saturating_add(rest))
                })
            }
            State::Ended | State::Stalled => SizeHint::default(),
        }
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::taken;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::body::{Body, Frame};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use crate::upstream::body::BoxError;

    /// A body of which nothing comes.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_once_and_never_again_keeps_nothing() {
        let patience = Duration::from_millis(50);
        let held = Arc::new(());
        let mut body = taken(Silent.boxed(), Arc::clone(&held), patience);
        let poll = |body: &mut crate::upstream::body::StreamBody| {
            Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())).is_pending()
        };
        for _ in 0..20 {
            assert!(poll(&mut body), "upstream is waited for as long as it is asked");
            tokio::time::sleep(patience / 5).await;
        }
        assert_eq!(Arc::strong_count(&held), 2);
        tokio::time::sleep(patience * 4).await;
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!poll(&mut body));
    }

    #[tokio::test]
    async fn what_nobody_takes_is_given_back() {
        let patience = Duration::from_millis(50);
        let full = |text: &'static str| {
            Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed()
        };
        let held = Arc::new(());
        let body = taken(full("text"), Arc::clone(&held), patience);
        tokio::time::sleep(patience * 4).await;
        assert_eq!(Arc::strong_count(&held), 1, "nobody took it");
        assert!(body.collect().await.is_err());

        let body = taken(full("text"), Arc::clone(&held), patience);
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "text");
        assert_eq!(Arc::strong_count(&held), 1, "it was taken");

        drop(taken(full("text"), Arc::clone(&held), patience));
        assert_eq!(Arc::strong_count(&held), 1, "the client is gone");
    }
}
