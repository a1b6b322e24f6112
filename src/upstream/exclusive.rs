//! HTTP/1.1 connections, each of which belongs to one send at a time. The send drives it itself: no
//! task is in between, and whoever sends next from the same thread finds it warm.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response};

use super::connect::{Connection, Connector, Failed, failed_exchange, not_connected};
use super::options::UpstreamOptions;
use super::target::BaseUrl;
use crate::clock::Stopwatch;
use crate::ids::FastHash;

/// Shelves of unused connections; a thread has one to itself if there are no more threads.
const SHELVES: usize = 16;

/// Unused connections by host, the one that was used last on top.
type Shelf = HashMap<Arc<str>, Vec<(Exclusive, Stopwatch)>, FastHash>;

/// A request of which nothing was sent, if it is still there.
pub(super) type Unsent = Option<Request<Full<Bytes>>>;

/// All connections of a client that nobody uses, on a shelf for each thread.
pub(super) struct ExclusiveConnections {
    connector: Connector,
    idle_timeout: Duration,
    max_idle_per_host: usize,
    shelves: [Mutex<Shelf>; SHELVES],
}

/// What reads and writes a connection while it is polled.
type Driver = Pin<Box<http1::Connection<Connection, Full<Bytes>>>>;

/// A connection, what drives it - `None` once it has ended - and who is to be woken for it.
pub(super) struct Exclusive {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Option<Driver>,
    owner: Arc<Owner>,
    waker: Waker,
}

/// Whoever drives a connection. What the connection and its user tell each other while it is driven
/// wakes nobody, and nothing does while nobody uses it.
#[derive(Default)]
struct Owner {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

/// The connection is driven at this moment.
const DRIVEN: u8 = 1;
/// There is something to be done, by whoever drives it.
const CALLED: u8 = 2;

/// How often in a row a connection is driven that has something to do each time.
const TURNS: usize = 8;

impl ExclusiveConnections {
    /// Without connections; they are made as they are needed.
    pub(super) fn new(options: &UpstreamOptions) -> ExclusiveConnections {
        ExclusiveConnections {
            connector: Connector::http1(options),
            idle_timeout: options.idle_timeout,
            max_idle_per_host: options.max_idle_per_host,
            shelves: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Sends `request` and waits for the head of its answer. The connection that brings it is
    /// needed to read the rest.
    pub(super) async fn request(
        &self,
        base: &BaseUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Exclusive), (Failed, Unsent)> {
        loop {
            let kept = self.take(base.endpoint());
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(kept) => kept,
                None => match Box::pin(self.connect(base)).await {
                    Ok(connection) => connection,
                    Err(failed) => return Err((failed, Some(request))),
                },
            };
            let sending = connection.sender.try_send_request(request);
            match connection.drive(sending).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => match error.take_message() {
                    // It ended while nobody used it, and nothing was written to it.
                    Some(unwritten) if is_kept => request = unwritten,
                    unwritten => return Err((failed_exchange(&error.into_error()), unwritten)),
                },
            }
        }
    }

    /// Keeps a connection whose answer was read to its end, if it can carry another request.
    pub(super) fn keep(&self, base: &BaseUrl, connection: Exclusive) {
        if !connection.is_ready() {
            return;
        }
        let mut shelf = self.shelf();
        let kept = match shelf.get_mut(base.endpoint()) {
            Some(kept) => kept,
            None => shelf.entry(base.endpoint().clone()).or_default(),
        };
        if kept.len() < self.max_idle_per_host {
            kept.push((connection, Stopwatch::start()));
        }
    }

    /// Closes what was not used for too long or was closed by the other side; to be called now and
    /// then.
    pub(super) fn tidy(&self) {
        for shelf in &self.shelves {
            let mut shelf = lock(shelf);
            for kept in shelf.values_mut() {
                kept.retain_mut(|(connection, since)| {
                    since.elapsed() < self.idle_timeout && connection.is_open()
                });
            }
            shelf.retain(|_, kept| !kept.is_empty());
        }
    }

    /// How many connections nobody uses.
    #[cfg(test)]
    pub(super) fn unused(&self) -> usize {
        self.shelves.iter().map(|shelf| lock(shelf).values().map(Vec::len).sum::<usize>()).sum()
    }

    fn take(&self, endpoint: &str) -> Option<Exclusive> {
        let (connection, since) = self.shelf().get_mut(endpoint)?.pop()?;
        (since.elapsed() < self.idle_timeout).then_some(connection)
    }

    /// The shelf of this thread.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        lock(&self.shelves[NUMBER.with(|number| number % SHELVES)])
    }

    async fn connect(&self, base: &BaseUrl) -> Result<Exclusive, Failed> {
        let connecting = self.connector.connect(base.at(PathAndQuery::from_static("/")));
        let stream = connecting.await.map_err(|error| Failed::NotSent(not_connected(&*error)))?;
        let shaken = http1::handshake(stream).await.map_err(|error| failed_exchange(&error))?;
        let (sender, driver) = shaken;
        Ok(Exclusive::new(sender, driver))
    }
}

/// A shelf is whole at every moment.
fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Exclusive {
    fn new(
        sender: http1::SendRequest<Full<Bytes>>,
        driver: http1::Connection<Connection, Full<Bytes>>,
    ) -> Exclusive {
        let owner = Arc::new(Owner::default());
        let waker = Waker::from(owner.clone());
        Exclusive { sender, driver: Some(Box::pin(driver)), owner, waker }
    }

    /// Waits for what the connection brings about: an answer, or its body.
    pub(super) async fn drive<F: Future>(&mut self, awaited: F) -> F::Output {
        let mut awaited = pin!(awaited);
        let Exclusive { driver, owner, waker, .. } = self;
        poll_fn(|cx| {
            let mut own = Context::from_waker(waker);
            owner.drive(cx, || {
                let polled = awaited.as_mut().poll(&mut own);
                if polled.is_ready() {
                    return polled;
                }
                // A connection that has ended says so to whoever waits for it.
                if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(&mut own).is_ready()) {
                    *driver = None;
                }
                awaited.as_mut().poll(&mut own)
            })
        })
        .await
    }

    fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether the other side has not closed it yet.
    fn is_open(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        let driver = self.driver.as_mut();
        let ended = driver.is_none_or(|driver| driver.as_mut().poll(&mut nobody).is_ready());
        !ended && self.is_ready()
    }
}

impl Owner {
    /// Takes turns until one is the last or leaves nothing to do; then `cx` is woken for the next.
    fn drive<T>(&self, cx: &mut Context<'_>, mut turn: impl FnMut() -> Poll<T>) -> Poll<T> {
        for _ in 0..TURNS {
            self.state.store(DRIVEN, Ordering::Release);
            let polled = turn();
            *self.task() = polled.is_pending().then(|| cx.waker().clone());
            // Whoever calls after this finds the task.
            let called = self.state.fetch_and(!DRIVEN, Ordering::AcqRel) & CALLED != 0;
            if polled.is_ready() || !called {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Owner {
    fn wake(self: Arc<Owner>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Owner>) {
        let before = self.state.fetch_or(CALLED, Ordering::AcqRel);
        if before & DRIVEN == 0
            && let Some(task) = self.task().take()
        {
            task.wake();
        }
    }
}
