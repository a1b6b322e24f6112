//! Texts of a table: required, optional, lists, URLs and secrets.

use std::path::Path;

use super::{Section, Shown};
use crate::config::mistake::Origin;
use crate::config::secret::Secret;
use crate::config::tree::{Node, Value};

impl Section<'_> {
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

    /// Returns the value of `text`; if `parse` fails, reports a mistake about `key` and returns
    /// `None`.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(text).map_err(|message| self.mistake(key, message)).ok()
    }

    /// The value of a required text.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Plain);
        if text.is_none() && !self.origins.contains_key(key) {
            self.mistake(key, "is required");
        }
        self.parsed(key, &text?, parse)
    }

    /// The value of a text; that of `fallback` if the key is not written.
    pub fn text<T>(
        &mut self,
        key: &'static str,
        fallback: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, Some(fallback), Shown::Plain)?;
        self.parsed(key, &text, parse)
    }

    /// The value of a text that may be left out or empty.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Plain).filter(|text| !text.is_empty())?;
        self.parsed(key, &text, parse)
    }

    /// A URL that may be left out or empty; it is printed without user and password.
    pub fn url<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(key, None, Shown::Url).filter(|text| !text.is_empty())?;
        self.parsed(key, &text, parse)
    }

    /// A secret that may be left out or empty; never printed.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.text_of(key, None, Shown::Never).filter(|text| !text.is_empty()).map(Secret::new)
    }

    /// The content of the file `key` names, without surrounding white space; `None` if no file is
    /// named.
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

    /// The values of a list of texts, those of `fallback` if it is not written; `None` if any text
    /// has a mistake.
    pub fn texts<T>(
        &mut self,
        key: &'static str,
        fallback: &[&str],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let fallback = || {
            fallback.iter().map(|text| Node {
                value: Value::Text((*text).to_owned()),
                origin: Origin::Default,
            })
        };
        let value =
            self.take(key).map_or_else(|| Value::List(fallback().collect()), |node| node.value);
        self.print(key, &value, Shown::Plain);
        let Value::List(items) = value else {
            self.mistake(key, format!("must be a list, not {}", value.kind()));
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let verdict = match &item.value {
                Value::Text(text) => parse(text),
                other => Err(format!("must be text, not {}", other.kind())),
            };
            match verdict {
                Ok(value) => values.push(value),
                Err(message) => self.reader.report(
                    &item.origin,
                    format!("{}[{index}]", self.path_of(key)),
                    message,
                ),
            }
        }
        (values.len() == items.len()).then_some(values)
    }
}
