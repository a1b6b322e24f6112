//! A send's work: its connection drives it for as long as there is one, and from then on a task of
//! its own, so that a client that leaves leaves nothing half done.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Work that outlives whoever drives it: dropped before its end - the client left, the listener was
/// stopped, the connection panicked -, a task goes on with it, and repeats nothing.
pub(super) struct Outliving<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    runtime: Handle,
}

/// The work panicked: its message, if it is a text.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(super) struct Panicked(String);

impl<F: Future<Output: Send> + Send + 'static> Outliving<F> {
    /// `work`, that nothing was done of yet.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(super) fn new(work: F) -> Outliving<F> {
        Outliving { work: Some(Box::pin(work)), runtime: Handle::current() }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Outliving<F> {
    type Output = Result<F::Output, Panicked>;

    /// A panic ends the work alone, as it would in a task.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        // Nothing looks at the work again if it panics.
        let result = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(Panicked(text(&*panic))),
        };
        self.work = None;
        Poll::Ready(result)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Outliving<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            drop(self.runtime.spawn(work));
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::sync::{Notify, oneshot};

    use super::Outliving;

    /// Work that counts its steps, with a pause between the two.
    async fn steps(done: Arc<AtomicUsize>, go_on: Arc<Notify>, ended: oneshot::Sender<()>) {
        done.fetch_add(1, Ordering::SeqCst);
        go_on.notified().await;
        done.fetch_add(1, Ordering::SeqCst);
        let _ = ended.send(());
    }

    #[tokio::test]
    async fn what_is_dropped_goes_on_where_it_stands() {
        let (done, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (sender, ended) = oneshot::channel();
        let mut work = Box::pin(Outliving::new(steps(done.clone(), go_on.clone(), sender)));
        poll_fn(|cx| {
            assert!(work.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(work);
        tokio::task::yield_now().await;
        assert_eq!(done.load(Ordering::SeqCst), 1, "no step is done twice");
        go_on.notify_one();
        ended.await.expect("it ends");
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_nobody_polled_is_done_all_the_same() {
        let (done, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (sender, ended) = oneshot::channel();
        go_on.notify_one();
        drop(Outliving::new(steps(done.clone(), go_on, sender)));
        ended.await.expect("it ends");
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn its_driver_may_be_aborted_or_panic() {
        for panics in [true, false] {
            let (done, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
            let (sender, ended) = oneshot::channel();
            let mut work = Box::pin(Outliving::new(steps(done.clone(), go_on.clone(), sender)));
            let driver = tokio::spawn(async move {
                let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await;
                assert!(polled && !panics, "a panic of the test's");
                std::future::pending::<()>().await;
                drop(work);
            });
            while done.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            driver.abort();
            assert!(driver.await.is_err());
            go_on.notify_one();
            ended.await.expect("it ends");
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_alone() {
        let work = Outliving::new(async { assert!(std::hint::black_box(false), "a cause") });
        let panicked = work.await.expect_err("it panics");
        assert_eq!(panicked.to_string(), "it panicked: a cause");
    }
}
