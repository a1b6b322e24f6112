//! Structured logs: one line an event on stderr, as JSON or text, at a level that can be changed
//! while the process runs. Lines leave through a bounded queue, so that whoever reads stderr slowly
//! cannot slow a send. Never a token, a full phone number or content.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Lines waiting to be written; further ones are dropped and counted.
const QUEUE_LINES: usize = 8192;

/// How long the last lines may take at the end of the process.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The process logs already.
    #[error("logging was started before")]
    StartedBefore,
    /// No thread for the writer.
    #[error("cannot start the log writer: {0}")]
    Writer(#[from] io::Error),
}

/// Logging while it is kept; dropping it writes what is still queued.
pub struct Telemetry {
    level: LevelHandle,
    queue: Queue,
}

impl Telemetry {
    /// Starts logging to stderr for the whole process; once.
    pub fn start(config: &LogConfig) -> Result<Telemetry, TelemetryError> {
        let (queue, lines) = queue();
        let dropped = queue.dropped.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&lines, &dropped, &mut io::stderr()))?;
        let (subscriber, level) = subscriber(config, queue.clone());
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| TelemetryError::StartedBefore)?;
        Ok(Telemetry { level, queue })
    }

    /// Logs into `out` instead, each line at once and in the thread that logs; for whoever looks at
    /// every line.
    ///
    /// # Errors
    /// The process logs already.
    pub fn start_into<W>(config: &LogConfig, out: W) -> Result<(), TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let (subscriber, _level) = subscriber(config, out);
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| TelemetryError::StartedBefore)
    }

    /// Changes the level.
    pub fn set_level(&self, level: LogLevel) {
        self.level.set(level);
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let (done, finished) = sync_channel(1);
        // A full queue is being written or stuck; either way the lines in it come first and there
        // is nothing to wait for.
        if self.queue.sender.try_send(Line::Flush(done)).is_ok() {
            let _ = finished.recv_timeout(FLUSH_DEADLINE);
        }
    }
}

/// Changes the level of a subscriber that is in use.
struct LevelHandle(reload::Handle<Targets, Registry>);

impl LevelHandle {
    fn set(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and then there is no level to change.
        let _ = self.0.reload(filter(level));
    }
}

/// Our own events at `level`; other crates' only from warnings up, because what they print about
/// requests is not ours to vouch for.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_target("tollgate", level).with_default(level.min(LevelFilter::WARN))
}

fn subscriber<W>(config: &LogConfig, writer: W) -> (impl Subscriber + Send + Sync, LevelHandle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines = match config.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.boxed(),
    };
    (Registry::default().with(filter).with(lines), LevelHandle(handle))
}

/// What the writer's thread gets.
enum Line {
    Text(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The logging threads' end of the queue.
#[derive(Clone)]
struct Queue {
    sender: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

fn queue() -> (Queue, Receiver<Line>) {
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    (Queue { sender, dropped: Arc::default() }, receiver)
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = &'w Queue;

    fn make_writer(&'w self) -> &'w Queue {
        self
    }
}

impl Write for &Queue {
    /// The formatter hands over one whole line a call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Line::Text(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until every logging thread is gone; reports how many were dropped as soon as there
/// is room again.
fn write_lines(lines: &Receiver<Line>, dropped: &AtomicU64, out: &mut impl Write) {
    for line in lines {
        // Nobody is left to be told that stderr does not work.
        match line {
            Line::Text(text) => {
                let _ = out.write_all(&text);
            }
            Line::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                out,
                "{{\"level\":\"WARN\",\"message\":\"log lines were dropped\",\"lines\":{lost}}}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::sync_channel;
    use std::sync::{Arc, Mutex};

    use super::{Line, QUEUE_LINES, queue, subscriber, write_lines};
    use crate::config::{LogConfig, LogFormat, LogLevel};

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no writer panicked").clone()).expect("text")
        }
    }

    impl Write for Paper {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_carry_fields_and_span() {
        let paper = Paper::default();
        let writer = paper.clone();
        let (subscriber, _level) =
            subscriber(&LogConfig { level: LogLevel::Info, format: LogFormat::Json }, move || {
                writer.clone()
            });
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("send", request_id = "r-1");
            let _in_span = span.enter();
            tracing::info!(account = "acme", channel = "106", "accepted");
        });
        let line: serde_json::Value =
            serde_json::from_str(paper.text().trim()).expect("one JSON object");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "accepted");
        assert_eq!(line["account"], "acme");
        assert_eq!(line["channel"], "106");
        assert_eq!(line["span"]["request_id"], "r-1");
    }

    #[test]
    fn the_level_can_change_and_other_crates_stay_quiet() {
        let paper = Paper::default();
        let writer = paper.clone();
        let (subscriber, level) =
            subscriber(&LogConfig { level: LogLevel::Warn, format: LogFormat::Text }, move || {
                writer.clone()
            });
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("before");
            level.set(LogLevel::Debug);
            tracing::debug!("after");
            tracing::info!(target: "hyper", "foreign");
            tracing::warn!(target: "hyper", "foreign warning");
            level.set(LogLevel::Error);
            tracing::warn!(target: "hyper", "late");
            tracing::warn!("late");
        });
        let text = paper.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("after") && text.contains("foreign warning"), "{text}");
    }

    #[test]
    fn a_full_queue_drops_lines_and_says_how_many() {
        let (queue, lines) = queue();
        for _ in 0..QUEUE_LINES + 3 {
            (&queue).write_all(b"line\n").expect("never fails");
        }
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 3);
        let dropped = queue.dropped.clone();
        drop(queue);
        let mut paper = Paper::default();
        write_lines(&lines, &dropped, &mut paper);
        let text = paper.text();
        assert_eq!(text.lines().filter(|line| *line == "line").count(), QUEUE_LINES);
        assert_eq!(text.lines().filter(|line| line.contains("\"lines\":3")).count(), 1);
    }

    #[test]
    fn flushing_comes_after_the_lines_before_it() {
        let (queue, lines) = queue();
        (&queue).write_all(b"last words\n").expect("never fails");
        let (done, finished) = sync_channel(1);
        assert!(queue.sender.try_send(Line::Flush(done)).is_ok());
        let dropped = queue.dropped.clone();
        drop(queue);
        let mut paper = Paper::default();
        write_lines(&lines, &dropped, &mut paper);
        assert!(finished.try_recv().is_ok());
        assert_eq!(paper.text(), "last words\n");
    }
}
