//! Tables inside a table: sections of their own, inline tables, and lists of tables.

use super::{Section, without_indexes};
use crate::config::tree::{Table, Value};

impl<'r> Section<'r> {
    /// The table under `key`, printed under a header of its own; an empty one if it is not
    /// written.
    pub fn section(&mut self, key: &'static str) -> Section<'r> {
        let section = self.nested(key, self.quiet);
        section.print_line(&format!("\n[{}]", without_indexes(&section.path)));
        section
    }

    /// The table under `key`, printed on one line as it was written; an empty one if it is not
    /// written.
    pub fn inline(&mut self, key: &'static str) -> Section<'r> {
        self.print_as_written(key);
        self.nested(key, true)
    }

    fn nested(&mut self, key: &'static str, quiet: bool) -> Section<'r> {
        let node = self.take(key);
        let origin = self.origin(key).clone();
        let table = match node.map(|node| node.value) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.mistake(key, format!("must be a table, not {}", other.kind()));
                Table::new()
            }
            None => Table::new(),
        };
        Section { quiet, ..Section::new(self.reader, self.path_of(key), origin, table) }
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
                        ..Section::new(self.reader, path, item.origin, table)
                    });
                }
                other => self.reader.report(
                    &item.origin,
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
}
