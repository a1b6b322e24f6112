//! What the sections of one configuration share while they are read: the environment, the mistakes
//! found so far, and the text for `--print`.

use std::cell::RefCell;
use std::collections::BTreeMap;
#[cfg(test)]
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::mistake::{ConfigError, Origin};

/// What the sections of one configuration share while they are read.
pub(super) struct Reader<'a> {
    /// The environment of the process, for secrets that are named by variable.
    pub environment: &'a BTreeMap<String, String>,
    /// Reads a file a key names.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    mistakes: RefCell<Vec<ConfigError>>,
    printed: RefCell<String>,
    /// Every key asked for, indexes left out (`accounts.wallets.id`).
    #[cfg(test)]
    pub asked: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    /// A reader that begins with `mistakes`.
    pub fn new(
        environment: &'a BTreeMap<String, String>,
        read_file: &'a dyn Fn(&Path) -> io::Result<String>,
        mistakes: Vec<ConfigError>,
    ) -> Reader<'a> {
        Reader {
            environment,
            read_file,
            mistakes: RefCell::new(mistakes),
            printed: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Returns the text for `--print`.
    ///
    /// # Errors
    /// The mistakes, if there is any: in the order of the file, those of the environment last.
    pub fn into_printed(self) -> Result<String, Vec<ConfigError>> {
        let mut mistakes = self.mistakes.into_inner();
        if mistakes.is_empty() {
            return Ok(self.printed.into_inner());
        }
        mistakes.sort();
        mistakes.dedup();
        Err(mistakes)
    }

    /// Adds a mistake; `key` is the path from the top.
    pub fn report(&self, origin: &Origin, key: String, message: String) {
        self.mistakes.borrow_mut().push(ConfigError { origin: origin.clone(), key, message });
    }

    /// Adds a line to the text for `--print`.
    pub fn print_line(&self, line: &str) {
        let mut printed = self.printed.borrow_mut();
        printed.push_str(line);
        printed.push('\n');
    }
}
