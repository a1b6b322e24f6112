//! Watches the directory of rate cards, so that a version put at one gateway is in use at all that
//! share the directory, long before it begins.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::control::{Control, rate_card};

/// Name, length and time of every file; equal while nothing changed.
type Look = Vec<(std::ffi::OsString, u64, Option<SystemTime>)>;

/// What the gateway writes there itself is no change.
fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn look(directory: &Path) -> Option<Look> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok().filter(|entry| !is_hidden(&entry.file_name()))?;
        let about = entry.metadata().ok()?;
        Some((entry.file_name(), about.len(), about.modified().ok()))
    };
    let mut files: Look = std::fs::read_dir(directory).ok()?.filter_map(file).collect();
    files.sort_unstable();
    Some(files)
}

/// Takes over what changed in the directory until `stop`; a file that cannot be used is logged and
/// changes nothing.
pub(super) async fn watch(control: Arc<Control>, interval: Duration, stop: CancellationToken) {
    let mut seen = None;
    loop {
        if let Some(directory) = rate_card::directory(&control) {
            let there = directory.clone();
            let now = tokio::task::spawn_blocking(move || look(&there)).await.ok().flatten();
            if seen.is_some() && now != seen {
                match rate_card::reload(&control, Some(directory.to_path_buf())).await {
                    Ok(()) => {
                        tracing::info!(directory = %directory.display(), "rate cards changed and \
                                are in use")
                    }
                    Err(mistake) => tracing::error!(
                        %mistake,
                        "rate cards changed and cannot be used; those before stay in use"
                    ),
                }
            }
            seen = now;
        }
        if tokio::time::timeout(interval, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
