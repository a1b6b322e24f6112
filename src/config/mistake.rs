//! What is wrong in a configuration: each mistake names the line or variable, the key and, for
//! misspelt names, the nearest known one.

use std::fmt;
use std::sync::Arc;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of the user's file.
    File {
        /// The file's name as it was given.
        name: Arc<str>,
        /// The line, counted from 1; 0 is the file as a whole.
        line: usize,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The compiled-in defaults.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line: 0 } => f.write_str(name),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One mistake in a configuration; its text is `file:line: key: what is wrong`. Never holds a
/// secret's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// The line or variable with the mistake.
    pub origin: Origin,
    /// The key from the top, for example `accounts[0].channels[1].wallet`; empty if the file is
    /// not TOML or cannot be read.
    pub key: String,
    /// A sentence without a full stop.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.is_empty() {
            true => write!(f, "{}: {}", self.origin, self.message),
            false => write!(f, "{}: {}: {}", self.origin, self.key, self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// `; did you mean "x"?` for the known name nearest to `name`, empty if none is near.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known.into_iter().map(|candidate| (distance(name, candidate), candidate)).min();
    match nearest {
        Some((edits, candidate)) if edits <= 1 + candidate.len() / 4 => {
            format!("; did you mean \"{candidate}\"?")
        }
        _ => String::new(),
    }
}

/// Edits between two names: a letter added, left out or replaced, or two neighbours swapped.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut edits = vec![vec![0; right.len() + 1]; left.len() + 1];
    for a in 0..=left.len() {
        for b in 0..=right.len() {
            edits[a][b] = match (a, b) {
                (0, _) | (_, 0) => a + b,
                _ => {
                    let replaced = edits[a - 1][b - 1] + usize::from(left[a - 1] != right[b - 1]);
                    let swapped = a > 1
                        && b > 1
                        && left[a - 1] == right[b - 2]
                        && left[a - 2] == right[b - 1];
                    let least = replaced.min(edits[a - 1][b] + 1).min(edits[a][b - 1] + 1);
                    if swapped { least.min(edits[a - 2][b - 2] + 1) } else { least }
                }
            };
        }
    }
    edits[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, distance};

    #[test]
    fn counts_edits() {
        for (left, right, edits) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("lisen", "listen", 1),
            ("lgo", "log", 1),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(did_you_mean("wallett", ["wallet", "waba"]), "; did you mean \"wallet\"?");
        assert_eq!(did_you_mean("colour", ["wallet", "waba"]), "");
    }
}
