//! A configuration as a tree of values with their origins: TOML text becomes a tree, one tree is
//! merged into another, and the environment into the last.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::mistake::{ConfigError, Origin};

/// The beginning of every variable of ours. The second underscore keeps apart what a container
/// platform sets for a service named "tollgate" (`TOLLGATE_PORT` and the like).
pub(super) const ENVIRONMENT_PREFIX: &str = "TOLLGATE__";

/// A table of values by key.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// A value that TOML can express and a setting can have.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// A float, a date or an integer beyond 64 bits. No setting has such a value, so only its
    /// kind is kept.
    Other(&'static str),
}

impl Value {
    /// The kind of value, in words that fit "must be text, not ...".
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

impl fmt::Display for Value {
    /// As TOML on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{}", toml::Value::String(text.replace('\n', " "))),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(yes) => write!(f, "{yes}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, item.value)?;
                }
                f.write_str("]")
            }
            Value::Table(table) => {
                f.write_str("{")?;
                for (index, (key, node)) in table.iter().enumerate() {
                    write!(f, "{}{key} = {}", if index == 0 { " " } else { ", " }, node.value)?;
                }
                f.write_str(" }")
            }
            Value::Other(kind) => f.write_str(kind),
        }
    }
}

/// Turns byte offsets of a text into lines.
struct Lines<'a> {
    name: Option<&'a Arc<str>>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &str, name: Option<&'a Arc<str>>) -> Lines<'a> {
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(offset, _)| offset + 1);
        Lines { name, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    fn origin(&self, offset: usize) -> Origin {
        match self.name {
            Some(name) => Origin::File {
                name: name.clone(),
                line: self.starts.partition_point(|start| *start <= offset),
            },
            None => Origin::Default,
        }
    }
}

/// Reads TOML under the file name `name`; `None` means the compiled-in defaults.
///
/// # Errors
/// All syntax mistakes. There is no tree then, because after a syntax mistake the reader could not
/// distinguish real mistakes from its consequences.
pub(super) fn parse(text: &str, name: Option<&Arc<str>>) -> Result<Table, Vec<ConfigError>> {
    let lines = Lines::new(text, name);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(document.get_ref(), &lines));
    }
    let mistake = |error: &toml::de::Error| ConfigError {
        origin: lines.origin(error.span().map_or(0, |span| span.start)),
        key: String::new(),
        message: format!("not TOML: {}", error.message().replace('\n', ", ")),
    };
    Err(errors.iter().map(mistake).collect())
}

fn table(source: &DeTable<'_>, lines: &Lines<'_>) -> Table {
    let entry =
        |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
            (
                key.get_ref().to_string(),
                Node {
                    value: self::value(value.get_ref(), lines),
                    origin: lines.origin(key.span().start),
                },
            )
        };
    source.iter().map(entry).collect()
}

fn value(source: &DeValue<'_>, lines: &Lines<'_>) -> Value {
    match source {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Value::Other("a number beyond 64 bits"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a number with decimals"),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            let node = |item: &toml::Spanned<DeValue<'_>>| Node {
                value: value(item.get_ref(), lines),
                origin: lines.origin(item.span().start),
            };
            Value::List(items.iter().map(node).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, lines)),
    }
}

/// Merges `upper` into `lower`: tables key by key, any other value replaces the one below it. A
/// value that replaces a section is a mistake.
pub(super) fn merge(lower: &mut Table, upper: Table, mistakes: &mut Vec<ConfigError>) {
    for (key, node) in upper {
        match (lower.get_mut(&key), node) {
            (
                Some(Node { value: Value::Table(below), origin: lower }),
                Node { value: Value::Table(above), origin },
            ) => {
                *lower = origin;
                merge(below, above, mistakes);
            }
            (Some(Node { value: Value::Table(_), .. }), Node { value, origin }) => {
                mistakes.push(ConfigError {
                    origin,
                    message: format!("must be a section ([{key}]), not {}", value.kind()),
                    key,
                });
            }
            (_, node) => {
                lower.insert(key, node);
            }
        }
    }
}

/// Merges the variables that begin with [`ENVIRONMENT_PREFIX`] into `root`. A variable that matches
/// no key is merged as well: the reader then reports it as an unknown key.
pub(super) fn merge_environment(
    root: &mut Table,
    environment: &BTreeMap<String, String>,
    mistakes: &mut Vec<ConfigError>,
) {
    for (variable, text) in environment {
        let Some(path) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let path = path.to_ascii_lowercase();
        let origin = Origin::Environment(variable.clone());
        let mut refuse = |message: &str| {
            mistakes.push(ConfigError {
                origin: origin.clone(),
                key: path.replace("__", "."),
                message: message.to_owned(),
            });
        };
        let parts: Vec<&str> = path.split("__").collect();
        if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
            refuse("a variable is named TOLLGATE__SECTION__KEY");
            continue;
        }
        let node = Node { value: Value::Text(text.clone()), origin: origin.clone() };
        if !insert(root, &parts, node) {
            refuse("lists are set in the file only");
        }
    }
}

/// Puts `node` at the end of a path of sections, which are made as they are needed; `false` if a
/// list or a whole section is in its way.
fn insert(table: &mut Table, path: &[&str], node: Node) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        let occupied = table.get(*first).map(|node| &node.value);
        if matches!(occupied, Some(Value::List(_) | Value::Table(_))) {
            return false;
        }
        table.insert((*first).to_owned(), node);
        return true;
    }
    let new = || Node { value: Value::Table(Table::new()), origin: node.origin.clone() };
    match &mut table.entry((*first).to_owned()).or_insert_with(new).value {
        Value::Table(table) => insert(table, rest, node),
        Value::List(_) => false,
        // The file gave a value under a name that is no section; the reader reports that.
        _ => true,
    }
}
