//! Everything that gateways and commands print in this suite, searched for secrets: each line as it
//! is written, for whatever secret of any test is known by then. A test fails at its next reply, or
//! when its gateway is gone, if any line had one.

mod learn;
mod search;

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, Once, RwLock};

use tollgate::config::{LogConfig, LogFormat, LogLevel};
use tollgate::telemetry::Telemetry;

pub use learn::{learn_configuration, learn_recipient, learn_reply, learn_request};
pub use search::Secrets;

use super::setup::{
    CAMPAIGN_KEY, KEY, META_TOKEN, OPERATOR_KEY, READING_KEY, RIVAL_KEY, RIVAL_META_TOKEN,
};

/// A request id; lines that have it are kept, to show that gateways' lines arrive here.
pub const WITNESS: &str = "req-seen-by-the-search";

static SECRETS: LazyLock<RwLock<Secrets>> = LazyLock::new(|| {
    let mut secrets = Secrets::default();
    for text in
        [KEY, CAMPAIGN_KEY, READING_KEY, RIVAL_KEY, OPERATOR_KEY, META_TOKEN, RIVAL_META_TOKEN]
    {
        secrets.learn_text(text);
    }
    RwLock::new(secrets)
});

/// What was found, for the rest of the run: whichever test ends next must fail.
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lines with [`WITNESS`].
static WITNESSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Searches what gateways of this process log from now on, at the lowest level.
pub fn watch_this_process() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let config = LogConfig { level: LogLevel::Trace, format: LogFormat::Text };
        Telemetry::start_into(&config, || Searched).unwrap();
    });
}

/// Checks at its end that nothing was printed. A thread that panics already fails its test.
pub struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            check();
        }
    }
}

/// Fails if anything that any test of this run printed has a secret.
#[track_caller]
pub fn check() {
    let leaks = LEAKS.lock().unwrap_or_else(|broken| broken.into_inner()).clone();
    assert!(
        leaks.is_empty(),
        "a gateway of this run printed what it must not, in this test or another:\n{}",
        leaks[..leaks.len().min(5)].join("\n")
    );
}

/// Takes a line or more that a gateway or command has printed.
pub fn printed(text: &str) {
    for line in text.lines() {
        if line.contains(WITNESS) {
            WITNESSED.lock().unwrap().push(line.to_owned());
        }
        if let Some(found) = SECRETS.read().unwrap().find(line) {
            LEAKS.lock().unwrap().push(format!("{found} in: {line}"));
        }
    }
}

/// The lines with [`WITNESS`] so far.
pub fn witnessed() -> Vec<String> {
    WITNESSED.lock().unwrap().clone()
}

/// Writes nothing: it searches.
struct Searched;

impl Write for Searched {
    /// The formatter hands over one whole line a call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        printed(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
