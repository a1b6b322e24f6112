//! The day and time at which something was measured.

use std::process::Command;

/// Returns `YYYY-MM-DD HH:MM UTC`, or `unknown` without the program for it.
pub fn now() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
