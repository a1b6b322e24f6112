//! How far the requests of one connection are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// What a connection and its requests know of each other.
#[derive(Default)]
pub(super) struct Progress {
    /// Requests whose response is not written yet.
    active: AtomicUsize,
    /// Requests begun so far.
    begun: AtomicUsize,
    /// The connection is to end behind the response that is made.
    ending: AtomicBool,
    /// The end of the last request has not come yet.
    incomplete: AtomicBool,
    /// The connection's task, if it waits for the last response to be written.
    waiting: Mutex<Option<Waker>>,
}

impl Progress {
    /// Requests begun so far.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Wakes `waker` when all responses are written, unless they are already.
    pub(super) fn wake_when_idle(&self, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = self.is_active().then(|| waker.clone());
    }

    /// The connection is to end behind the response that is made.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether the end of the last request has come.
    pub(super) fn came_to(&self, end: bool) {
        self.incomplete.store(!end, Ordering::Relaxed);
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire) > 0
    }
}

/// A request from its head to the last byte of its response.
pub(super) struct Ticket(Arc<Progress>);

impl Ticket {
    pub(super) fn of(progress: &Arc<Progress>) -> Ticket {
        progress.begun.fetch_add(1, Ordering::Relaxed);
        progress.active.fetch_add(1, Ordering::AcqRel);
        Ticket(progress.clone())
    }

    /// Whether the connection is to end behind this request's response: it was asked to, or nobody
    /// reads the rest of the request, which the client must know before it sends another.
    pub(super) fn is_last(&self) -> bool {
        self.0.ending.load(Ordering::Relaxed) || self.0.incomplete.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let progress = &self.0;
        if progress.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Uncontended: the connection's own task, or a stream of it.
            let mut waiting = progress.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waker) = waiting.take() {
                waker.wake();
            }
        }
    }
}
