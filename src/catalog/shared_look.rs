//! A look that many want at the same time: one looks, and all who had asked before it began share
//! what it found.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Looks at one thing, one at a time.
pub(super) struct SharedLook<T> {
    /// How many have asked.
    asked: AtomicU64,
    /// The last look: how many had asked when it began, and what it found.
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for SharedLook<T> {
    fn default() -> SharedLook<T> {
        SharedLook { asked: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> SharedLook<T> {
    /// What a look finds that began after this was called: somebody else's, or this `look`.
    pub(super) async fn join(&self, look: impl AsyncFnOnce() -> T) -> T {
        // Counted, not timed: within a millisecond the ledger may change.
        let own = self.asked.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let mut last = self.last.lock().await;
        if let Some((asked, found)) = &*last
            && *asked >= own
        {
            return found.clone();
        }
        let asked = self.asked.load(Ordering::Acquire);
        let found = look().await;
        *last = Some((asked, found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::SharedLook;

    #[tokio::test]
    async fn who_asks_during_a_look_shares_the_next() {
        let (look, looks) = (Arc::new(SharedLook::default()), Arc::new(AtomicU32::new(0)));
        let go_on = Arc::new(Notify::new());
        let ask = || {
            let (look, looks, go_on) = (look.clone(), looks.clone(), go_on.clone());
            tokio::spawn(async move {
                look.join(async || {
                    let number = looks.fetch_add(1, Ordering::Relaxed) + 1;
                    go_on.notified().await;
                    number
                })
                .await
            })
        };
        let first = ask();
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..50).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        go_on.notify_one();
        assert_eq!(first.await.expect("a look"), 1);
        go_on.notify_one();
        for other in others {
            assert_eq!(other.await.expect("a look"), 2);
        }
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_look_to_the_next() {
        let look = SharedLook::default();
        let never = look.join(async || std::future::pending::<u32>().await);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), never).await.is_err());
        assert_eq!(look.join(async || 7).await, 7);
    }
}
