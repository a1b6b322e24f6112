//! The threads that serve connections, each with a runtime of its own: a connection, its requests
//! and what these open stay on one thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Threads that share a listener's connections. Clones share the threads, which end with the last
/// clone.
#[derive(Clone)]
pub struct Workers(Arc<Threads>);

struct Threads {
    workers: Vec<Arc<Worker>>,
    stop: CancellationToken,
}

/// One thread's runtime, and how many connections it serves.
struct Worker {
    runtime: Handle,
    connections: AtomicUsize,
}

/// A connection's place on the thread with the fewest; given back when it is dropped.
pub(super) struct Place(Arc<Worker>);

impl Workers {
    /// The runtime that this is called on, alone.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(super) fn here() -> Workers {
        let workers = vec![Arc::new(Worker::new(Handle::current()))];
        Workers(Arc::new(Threads { workers, stop: CancellationToken::new() }))
    }

    /// So many threads of that name, at least one.
    ///
    /// # Errors
    /// The operating system gives no more threads or descriptors.
    pub fn start(name: &str, count: usize) -> io::Result<Workers> {
        let mut threads = Threads { workers: Vec::new(), stop: CancellationToken::new() };
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            threads.workers.push(Arc::new(Worker::new(runtime.handle().clone())));
            let stop = threads.stop.clone();
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || runtime.block_on(stop.cancelled()))?;
        }
        Ok(Workers(Arc::new(threads)))
    }

    /// A place for one more connection.
    pub(super) fn place(&self) -> Place {
        let connections = |worker: &&Arc<Worker>| worker.connections.load(Ordering::Relaxed);
        let workers = &self.0.workers;
        let worker = workers.iter().min_by_key(connections).unwrap_or(&workers[0]);
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Place(worker.clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("count", &self.0.workers.len()).finish()
    }
}

impl Worker {
    const fn new(runtime: Handle) -> Worker {
        Worker { runtime, connections: AtomicUsize::new(0) }
    }
}

impl Place {
    /// The runtime that the connection runs on.
    pub(super) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::Workers;

    #[tokio::test]
    async fn connections_are_spread_evenly() {
        let workers = Workers::start("test", 3).expect("threads");
        let thread = || std::thread::current().id();
        let mut places = Vec::new();
        let mut found: Vec<ThreadId> = Vec::new();
        for _ in 0..6 {
            let place = workers.place();
            found.push(place.runtime().spawn(async move { thread() }).await.expect("it runs"));
            places.push(place);
        }
        assert!(found[0] != thread() && found[1] != found[0] && found[2] != found[1]);
        assert_eq!(found[..3], found[3..]);
        // Whoever has lost one is the next.
        drop(places.remove(1));
        let next = workers.place().runtime().spawn(async move { thread() }).await;
        assert_eq!(next.expect("it runs"), found[1]);
    }
}
