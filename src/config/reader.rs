//! Reads typed values out of a tree and goes on after a mistake, so that all are reported at once.
//! What it reads it also writes down, redacted, as the text `--print` shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::mistake::{ConfigError, Place, did_you_mean};
use super::secret::{Secret, redact_url};
use super::tree::{Node, Table, Value};

/// What the sections of one configuration share while they are read.
pub(super) struct Reader<'a> {
    /// The process' environment, for secrets that are named by variable.
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

    /// The text for `--print`, or the mistakes in the order of the file, those of the environment
    /// last.
    pub fn into_printed(self) -> Result<String, Vec<ConfigError>> {
        let mut mistakes = self.mistakes.into_inner();
        if mistakes.is_empty() {
            return Ok(self.printed.into_inner());
        }
        mistakes.sort();
        mistakes.dedup();
        Err(mistakes)
    }

    fn report(&self, place: &Place, key: String, message: String) {
        self.mistakes.borrow_mut().push(ConfigError { place: place.clone(), key, message });
    }
}

/// How `--print` shows a value.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Plain,
    /// Without user and password.
    Url,
    Never,
}

/// One table while it is read. Keys nobody asked for are reported by [`Section::finish`].
pub(super) struct Section<'r> {
    pub reader: &'r Reader<'r>,
    path: String,
    place: Place,
    table: Table,
    asked: Vec<&'static str>,
    places: BTreeMap<&'static str, Place>,
    /// Keys written as an empty text.
    empty: BTreeSet<&'static str>,
    /// Its parent has printed it already.
    quiet: bool,
}

impl<'r> Section<'r> {
    /// The table at the top.
    pub fn root(reader: &'r Reader<'r>, table: Table) -> Section<'r> {
        Section::new(reader, String::new(), Place::Default, table)
    }

    fn new(reader: &'r Reader<'r>, path: String, place: Place, table: Table) -> Section<'r> {
        Section {
            reader,
            path,
            place,
            table,
            asked: Vec::new(),
            places: BTreeMap::new(),
            empty: BTreeSet::new(),
            quiet: false,
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where `key` was written; where its table begins if it was not.
    pub fn place(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
    }

    /// Whether somebody wrote `key`, be it in the file or in the environment; an empty text counts
    /// as not written.
    pub fn is_written(&self, key: &str) -> bool {
        !self.is_empty(key) && self.places.get(key).is_some_and(|place| *place != Place::Default)
    }

    /// Whether `key` is an empty text.
    pub fn is_empty(&self, key: &str) -> bool {
        self.empty.contains(key)
    }

    /// Reports a mistake about `key`; an empty key means the table itself.
    pub fn mistake(&self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.reader.report(self.place(key), path, message.into());
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        #[cfg(test)]
        self.reader.asked.borrow_mut().insert(without_indexes(&self.path_of(key)));
        let node = self.table.remove(key)?;
        self.places.insert(key, node.place.clone());
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
        let origin = self.places.get(key).unwrap_or(&Place::Default);
        self.print_line(&format!("{key} = {literal} # {origin}"));
    }

    fn print_as_written(&self, key: &str) {
        if let Some(node) = self.table.get(key) {
            self.print_line(&format!("{key} = {} # {}", node.value, node.place));
        }
    }

    fn print_line(&self, line: &str) {
        if !self.quiet {
            let mut printed = self.reader.printed.borrow_mut();
            printed.push_str(line);
            printed.push('\n');
        }
    }

    fn text_of(
        &mut self,
        key: &'static str,
        fallback: Option<&str>,
        shown: Shown,
    ) -> Option<String> {
        let value = match (self.take(key), fallback) {
            (Some(node), _) => node.value,
            (None, Some(fallback)) => Value::Text(fallback.to_owned()),
            (None, None) => return None,
        };
        self.print(key, &value, shown);
        match value {
            Value::Text(text) => Some(text),
            other => {
                self.mistake(key, format!("must be text, not {}", other.kind()));
                None
            }
        }
    }

    /// Passes `text` through `check`, reporting what it says about `key`.
    pub fn checked<T>(
        &self,
        key: &'static str,
        text: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        check(text).map_err(|message| self.mistake(key, message)).ok()
    }

    /// A text that must be there and pass `check`.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Plain);
        if text.is_none() && !self.places.contains_key(key) {
            self.mistake(key, "is required");
        }
        self.checked(key, &text?, check)
    }

    /// A text that passes `check`, `fallback` where it is not written.
    pub fn text<T>(
        &mut self,
        key: &'static str,
        fallback: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, Some(fallback), Shown::Plain)?;
        self.checked(key, &text, check)
    }

    /// A text that may be left out or empty.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Plain).filter(|text| !text.is_empty())?;
        self.checked(key, &text, check)
    }

    /// A URL that may be left out or empty; it is printed without user and password.
    pub fn url<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Url).filter(|text| !text.is_empty())?;
        self.checked(key, &text, check)
    }

    /// A secret that may be left out or empty; never printed.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.text_of(key, None, Shown::Never).filter(|text| !text.is_empty()).map(Secret::new)
    }

    /// The content of the file `key` names, without surrounding white space; `None` where no file
    /// is named.
    pub fn secret_file(&mut self, key: &'static str) -> Option<Secret> {
        let path = self.optional(key, |text| Ok(text.to_owned()))?;
        match (self.reader.read_file)(Path::new(&path)) {
            Ok(content) => Some(Secret::new(content.trim())),
            Err(error) => {
                self.mistake(key, format!("cannot read \"{path}\": {error}"));
                None
            }
        }
    }

    /// A whole number in `range`, `fallback` where it is not written.
    pub fn integer(
        &mut self,
        key: &'static str,
        fallback: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let (value, from_environment) = match (self.take(key), fallback) {
            (Some(node), _) => (node.value, matches!(node.place, Place::Environment(_))),
            (None, Some(fallback)) => (Value::Integer(fallback), false),
            (None, None) => return None,
        };
        let number = match &value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if from_environment => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let found = if from_environment { "something else" } else { value.kind() };
            self.mistake(key, format!("must be a whole number, not {found}"));
            return None;
        };
        self.print(key, &Value::Integer(number), Shown::Plain);
        if !range.contains(&number) {
            self.mistake(
                key,
                format!("must be {} to {}, not {number}", range.start(), range.end()),
            );
            return None;
        }
        Some(number)
    }

    /// A whole number in `range` that must be there.
    pub fn required_integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = self.integer(key, None, range);
        if number.is_none() && !self.places.contains_key(key) {
            self.mistake(key, "is required");
        }
        number
    }

    /// A count of things; `range` is not negative.
    pub fn count(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<usize> {
        self.required_integer(key, range).and_then(|number| usize::try_from(number).ok())
    }

    /// A duration in milliseconds; `range` is not negative.
    pub fn milliseconds(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Duration> {
        self.required_integer(key, range)
            .and_then(|number| u64::try_from(number).ok())
            .map(Duration::from_millis)
    }

    /// A duration in seconds; `range` is not negative.
    pub fn seconds(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<Duration> {
        self.required_integer(key, range)
            .and_then(|number| u64::try_from(number).ok())
            .map(Duration::from_secs)
    }

    /// True or false, `fallback` where it is not written.
    pub fn boolean(&mut self, key: &'static str, fallback: bool) -> bool {
        let (value, from_environment) = match self.take(key) {
            Some(node) => (node.value, matches!(node.place, Place::Environment(_))),
            None => (Value::Boolean(fallback), false),
        };
        let yes = match &value {
            Value::Boolean(yes) => Some(*yes),
            Value::Text(text) if from_environment => text.trim().parse().ok(),
            _ => None,
        };
        match yes {
            Some(yes) => self.print(key, &Value::Boolean(yes), Shown::Plain),
            None => self.mistake(key, format!("must be true or false, not {}", value.kind())),
        }
        yes.unwrap_or(fallback)
    }

    /// A list of texts that each pass `check`; `fallback` where it is not written.
    pub fn texts<T>(
        &mut self,
        key: &'static str,
        fallback: &[&str],
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let fallback = || {
            fallback
                .iter()
                .map(|text| Node { value: Value::Text((*text).to_owned()), place: Place::Default })
        };
        let value =
            self.take(key).map_or_else(|| Value::List(fallback().collect()), |node| node.value);
        self.print(key, &value, Shown::Plain);
        let Value::List(items) = value else {
            self.mistake(key, format!("must be a list, not {}", value.kind()));
            return Vec::new();
        };
        let mut passed = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let verdict = match &item.value {
                Value::Text(text) => check(text),
                other => Err(format!("must be text, not {}", other.kind())),
            };
            match verdict {
                Ok(value) => passed.push(value),
                Err(message) => self.reader.report(
                    &item.place,
                    format!("{}[{index}]", self.path_of(key)),
                    message,
                ),
            }
        }
        passed
    }

    /// The table under `key`, printed under a header of its own; an empty one where it is not
    /// written.
    pub fn section(&mut self, key: &'static str) -> Section<'r> {
        let section = self.nested(key, self.quiet);
        section.print_line(&format!("\n[{}]", without_indexes(&section.path)));
        section
    }

    /// The table under `key`, printed on one line as it was written; an empty one where it is not
    /// written.
    pub fn inline(&mut self, key: &'static str) -> Section<'r> {
        self.print_as_written(key);
        self.nested(key, true)
    }

    fn nested(&mut self, key: &'static str, quiet: bool) -> Section<'r> {
        let node = self.take(key);
        let place = self.place(key).clone();
        let table = match node.map(|node| node.value) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.mistake(key, format!("must be a table, not {}", other.kind()));
                Table::new()
            }
            None => Table::new(),
        };
        Section { quiet, ..Section::new(self.reader, self.path_of(key), place, table) }
    }

    /// The tables of the list under `key`; each prints its header when [`Section::begin`] is
    /// called.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'r>> {
        let items = match self.take(key).map(|node| node.value) {
            Some(Value::List(items)) => items,
            Some(other) => {
                let header = without_indexes(&self.path_of(key));
                self.mistake(
                    key,
                    format!("must be a list of tables ([[{header}]]), not {}", other.kind()),
                );
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            match item.value {
                Value::Table(table) => {
                    sections.push(Section {
                        quiet: self.quiet,
                        ..Section::new(self.reader, path, item.place, table)
                    });
                }
                other => self.reader.report(
                    &item.place,
                    path,
                    format!("must be a table, not {}", other.kind()),
                ),
            }
        }
        sections
    }

    /// The tables of the list under `key`, printed on one line as they were written.
    pub fn inline_sections(&mut self, key: &'static str) -> Vec<Section<'r>> {
        self.print_as_written(key);
        self.sections(key).into_iter().map(|section| Section { quiet: true, ..section }).collect()
    }

    /// Prints this table's header as an element of a list.
    pub fn begin(&self) {
        self.print_line(&format!("\n[[{}]]", without_indexes(&self.path)));
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (key, node) in &self.table {
            let what = if matches!(node.value, Value::Table(_)) && self.path.is_empty() {
                "is not a known section"
            } else {
                "is not a known key"
            };
            let hint = did_you_mean(key, self.asked.iter().copied());
            self.reader.report(&node.place, self.path_of(key), format!("{what}{hint}"));
        }
    }
}

/// `accounts[0].wallets[1].id` without its indexes.
fn without_indexes(path: &str) -> String {
    let names = path.split('.').map(|part| part.split_once('[').map_or(part, |(name, _)| name));
    names.collect::<Vec<_>>().join(".")
}
