//! The only reader of the machine's clocks, so that tests can set the time.
#![allow(clippy::disallowed_methods, reason = "this is the one place that may read a clock")]

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall-clock time in Unix milliseconds: the machine's, or one that a test sets.
#[derive(Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<Fixed>>,
}

/// A test's clock.
struct Fixed {
    now_ms: AtomicI64,
    elapsed_ms: AtomicI64,
}

/// When the process first asked how much time has passed.
static BEGIN: OnceLock<Instant> = OnceLock::new();

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock { fixed: None }
    }

    /// A clock fixed at `now_ms` until it is moved.
    pub fn fixed(now_ms: i64) -> Clock {
        let (now_ms, elapsed_ms) = (AtomicI64::new(now_ms), AtomicI64::new(0));
        Clock { fixed: Some(Arc::new(Fixed { now_ms, elapsed_ms })) }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        match &self.fixed {
            Some(fixed) => fixed.now_ms.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Milliseconds since some moment of this process. It never goes back, whatever happens to the
    /// time of day, so the age of what is kept in memory is measured by it.
    pub fn elapsed_ms(&self) -> i64 {
        match &self.fixed {
            Some(fixed) => fixed.elapsed_ms.load(Ordering::SeqCst),
            None => {
                let since = BEGIN.get_or_init(Instant::now).elapsed();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Unix milliseconds if this clock is a test's, `None` for the machine's.
    pub fn fixed_now_ms(&self) -> Option<i64> {
        self.fixed.as_ref().map(|fixed| fixed.now_ms.load(Ordering::SeqCst))
    }

    /// Moves a fixed clock by `by_ms`, of which what is negative is no time that passes; the
    /// machine's clock cannot be moved and stays as it is.
    pub fn advance(&self, by_ms: i64) {
        if let Some(fixed) = &self.fixed {
            fixed.now_ms.fetch_add(by_ms, Ordering::SeqCst);
            fixed.elapsed_ms.fetch_add(by_ms.max(0), Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("fixed_ms", &self.fixed_now_ms()).finish()
    }
}

/// A running stopwatch for latencies and deadlines inside one process.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Time since the start or the last call; the next one measures from now.
    pub fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.saturating_duration_since(std::mem::replace(&mut self.0, now))
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
