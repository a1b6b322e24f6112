//! The machine, the programs and the day of a measurement.

use std::process::Command;

use crate::date;

/// What a figure depends on, each as one line of text.
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory: String,
    pub kernel: String,
    pub redis: String,
    pub nginx: String,
    pub date: String,
    pub commit: String,
}

impl Machine {
    pub fn look() -> Machine {
        Machine {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: printed("uname", &["-sr"]),
            redis: version_of(&printed("redis-server", &["--version"]), "v="),
            nginx: version_of(&printed("nginx", &["-v"]), "nginx/"),
            date: date::now(),
            commit: printed("git", &["describe", "--always", "--dirty"]),
        }
    }
}

/// Returns what a `/proc` file has under a name.
fn field(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// Returns the word that follows `mark`.
fn version_of(text: &str, mark: &str) -> String {
    let version = text.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
    version.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version_of("Redis server v=7.0.15 sha=0:0", "v="), "7.0.15");
        assert_eq!(version_of("nginx version: nginx/1.22.1", "nginx/"), "1.22.1");
        assert_eq!(version_of("", "v="), "unknown");
        assert_ne!(field("/proc/meminfo", "MemTotal"), "unknown");
    }
}
