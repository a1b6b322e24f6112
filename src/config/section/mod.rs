//! Reads typed values out of one table and continues after a mistake, so that all are reported at
//! once. Each value read is also added, redacted, to the text for `--print`.

mod nested;
mod numbers;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use super::mistake::{Origin, did_you_mean};
use super::reader::Reader;
use super::secret::redact_url;
use super::tree::{Node, Table, Value};

/// How `--print` shows a value.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Plain,
    /// Without user and password.
    Url,
    Never,
}

/// One table while it is read. [`Section::finish`] reports the keys that were not asked for.
pub(super) struct Section<'r> {
    pub reader: &'r Reader<'r>,
    path: String,
    origin: Origin,
    table: Table,
    asked: Vec<&'static str>,
    origins: BTreeMap<&'static str, Origin>,
    /// Keys written as an empty text.
    empty: BTreeSet<&'static str>,
    /// Prints nothing, because the parent has printed it already.
    quiet: bool,
}

impl<'r> Section<'r> {
    /// The table at the top.
    pub fn root(reader: &'r Reader<'r>, table: Table) -> Section<'r> {
        Section::new(reader, String::new(), Origin::Default, table)
    }

    fn new(reader: &'r Reader<'r>, path: String, origin: Origin, table: Table) -> Section<'r> {
        Section {
            reader,
            path,
            origin,
            table,
            asked: Vec::new(),
            origins: BTreeMap::new(),
            empty: BTreeSet::new(),
            quiet: false,
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The origin of `key`; that of its table if it was not written.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&self.origin)
    }

    /// Returns whether `key` is in the file or the environment. An empty text counts as not
    /// written.
    pub fn is_written(&self, key: &str) -> bool {
        !self.is_empty(key)
            && self.origins.get(key).is_some_and(|origin| *origin != Origin::Default)
    }

    /// Returns whether `key` is an empty text.
    pub fn is_empty(&self, key: &str) -> bool {
        self.empty.contains(key)
    }

    /// Reports a mistake about `key`; an empty key means the table itself.
    pub fn mistake(&self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.reader.report(self.origin(key), path, message.into());
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        #[cfg(test)]
        self.reader.asked.borrow_mut().insert(without_indexes(&self.path_of(key)));
        let node = self.table.remove(key)?;
        self.origins.insert(key, node.origin.clone());
        if matches!(&node.value, Value::Text(text) if text.is_empty()) {
            self.empty.insert(key);
        }
        Some(node)
    }

    fn print(&self, key: &str, value: &Value, shown: Shown) {
        let literal = match (value, shown) {
            (Value::Text(text), Shown::Url) => Value::Text(redact_url(text)).to_string(),
            (Value::Text(text), Shown::Never) if !text.is_empty() => "\"<redacted>\"".to_owned(),
            (value, _) => value.to_string(),
        };
        let origin = self.origins.get(key).unwrap_or(&Origin::Default);
        self.print_line(&format!("{key} = {literal} # {origin}"));
    }

    fn print_as_written(&self, key: &str) {
        if let Some(node) = self.table.get(key) {
            self.print_line(&format!("{key} = {} # {}", node.value, node.origin));
        }
    }

    fn print_line(&self, line: &str) {
        if !self.quiet {
            self.reader.print_line(line);
        }
    }

    /// Prints this table's header as an element of a list.
    pub fn begin(&self) {
        self.print_line(&format!("\n[[{}]]", without_indexes(&self.path)));
    }

    /// Reports every key that was not asked for.
    pub fn finish(self) {
        for (key, node) in &self.table {
            let what = if matches!(node.value, Value::Table(_)) && self.path.is_empty() {
                "is not a known section"
            } else {
                "is not a known key"
            };
            let hint = did_you_mean(key, self.asked.iter().copied());
            self.reader.report(&node.origin, self.path_of(key), format!("{what}{hint}"));
        }
    }
}

/// `accounts[0].wallets[1].id` without its indexes.
fn without_indexes(path: &str) -> String {
    let names = path.split('.').map(|part| part.split_once('[').map_or(part, |(name, _)| name));
    names.collect::<Vec<_>>().join(".")
}
