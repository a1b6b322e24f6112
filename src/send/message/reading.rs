//! Walks JSON strictly: every key of every object is looked at, so that no reader further on can
//! see another message than the one that is priced.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Objects and arrays nest at most this deep; the body itself is the first level.
pub(super) const MAX_DEPTH: usize = 32;

/// What may stand before and behind a value.
pub(super) const WHITESPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Up to this many keys are compared one by one; beyond it they are hashed, so that many keys do
/// not cost their square.
const COMPARED_KEYS: usize = 16;

/// What a value turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Shape<'a> {
    Null,
    Bool,
    /// A number of digits alone: no sign, fraction or exponent.
    Integer(u64),
    /// Any other number.
    Number,
    Text(Cow<'a, str>),
    /// A text with escapes that was not wanted (see [`Fields::KEEP_TEXT`]); never empty.
    Escaped,
    Array {
        empty: bool,
    },
    Object {
        empty: bool,
    },
}

impl Shape<'_> {
    /// Null, an empty text, `[]` or `{}`.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Shape::Null | Shape::Array { empty: true } | Shape::Object { empty: true } => true,
            Shape::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

/// Receives the fields of one object in the order in which they stand.
pub(super) trait Fields<'a> {
    /// Whether the text of an escaped string is unescaped into memory of its own; without it only
    /// its validity is checked.
    const KEEP_TEXT: bool;

    /// Must read exactly one value from `map`.
    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error>;
}

/// Checks a value and everything in it, and keeps nothing.
pub(super) struct Skip;

impl<'a> Fields<'a> for Skip {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        _key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        reading.value(map, &mut Skip).map(drop)
    }
}

/// Like [`Skip`], but keeps the text of a string.
struct KeepText;

impl<'a> Fields<'a> for KeepText {
    const KEEP_TEXT: bool = true;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        _key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        reading.value(map, &mut Skip).map(drop)
    }
}

/// Whether a text could be an object or array of JSON.
pub(super) fn is_structure(text: &str) -> bool {
    text.trim_start_matches(WHITESPACE).starts_with(['{', '['])
}

/// The state of one walk: the keys of the objects that are open, how deep they are, and why the
/// walk was ended.
pub(super) struct Reading<'a> {
    keys: Vec<Cow<'a, str>>,
    depth: usize,
    refusal: Option<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new() -> Reading<'a> {
        Reading { keys: Vec::with_capacity(COMPARED_KEYS * 2), depth: 0, refusal: None }
    }

    /// The sentence of the refusal that ended the reading, `None` if the JSON itself was at fault.
    pub(super) fn into_refusal(self) -> Option<String> {
        self.refusal
    }

    /// Ends the walk with `details`; the error only carries it up through serde.
    pub(super) fn refuse<E: de::Error>(&mut self, details: impl Into<String>) -> E {
        self.refusal.get_or_insert_with(|| details.into());
        E::custom("refused")
    }

    /// Reads the next value of `map`; if it is an object its fields go to `fields`.
    pub(super) fn value<A: MapAccess<'a>>(
        &mut self,
        map: &mut A,
        fields: &mut impl Fields<'a>,
    ) -> Result<Shape<'a>, A::Error> {
        map.next_value_seed(Value { reading: self, fields })
    }

    /// Reads the next value of `map`, keeping a string's text.
    pub(super) fn scalar<A: MapAccess<'a>>(&mut self, map: &mut A) -> Result<Shape<'a>, A::Error> {
        self.value(map, &mut KeepText)
    }

    /// Reads the next value of `map`, which must be a string or null; null is `None`.
    pub(super) fn text<A: MapAccess<'a>>(
        &mut self,
        map: &mut A,
        name: &str,
    ) -> Result<Option<Cow<'a, str>>, A::Error> {
        match self.value(map, &mut KeepText)? {
            Shape::Text(text) => Ok(Some(text)),
            Shape::Null => Ok(None),
            _ => Err(self.refuse(format!("`{name}` must be a string"))),
        }
    }

    /// Reads the next value of `map`, which may be an object or array, or such a one written as a
    /// string of JSON: Graph reads both alike, and some senders write the latter.
    pub(super) fn structure<A: MapAccess<'a>>(
        &mut self,
        map: &mut A,
        name: &str,
    ) -> Result<Shape<'a>, A::Error> {
        match self.value(map, &mut KeepText)? {
            Shape::Text(text) if is_structure(&text) => self.within(name, &text, &mut Skip),
            shape => Ok(shape),
        }
    }

    /// Reads `text`, the value of `name`, as a document of its own: an object or array, as strictly
    /// as all else.
    pub(super) fn within<'t, E: de::Error>(
        &mut self,
        name: &str,
        text: &'t str,
        fields: &mut impl Fields<'t>,
    ) -> Result<Shape<'a>, E> {
        let mut inner = Reading { depth: self.depth, ..Reading::new() };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let shape = inner.document(&mut deserializer, fields);
        match shape.and_then(|shape| deserializer.end().map(|()| shape)) {
            Ok(Shape::Array { empty }) => Ok(Shape::Array { empty }),
            Ok(Shape::Object { empty }) => Ok(Shape::Object { empty }),
            Ok(_) => Ok(Shape::Escaped),
            Err(error) => {
                let details = inner.into_refusal().unwrap_or_else(|| {
                    format!("`{name}` is a string that is not valid JSON: {error}")
                });
                Err(self.refuse(details))
            }
        }
    }

    /// Reads a whole document from `deserializer`.
    pub(super) fn document<D: Deserializer<'a>>(
        &mut self,
        deserializer: D,
        fields: &mut impl Fields<'a>,
    ) -> Result<Shape<'a>, D::Error> {
        Value { reading: self, fields }.deserialize(deserializer)
    }

    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(format!("the body nests deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        Ok(())
    }

    fn object<A: MapAccess<'a>>(
        &mut self,
        mut map: A,
        fields: &mut impl Fields<'a>,
    ) -> Result<Shape<'a>, A::Error> {
        self.enter()?;
        let first = self.keys.len();
        let mut empty = true;
        let mut hashed: Option<HashSet<Cow<'a, str>>> = None;
        while let Some(key) = map.next_key_seed(Key)? {
            empty = false;
            let fresh = match &mut hashed {
                Some(seen) => seen.insert(key.clone()),
                None => !self.keys[first..].contains(&key),
            };
            if !fresh {
                return Err(
                    self.refuse(format!("the field {} appears twice in one object", shown(&key)))
                );
            }
            if hashed.is_none() {
                self.keys.push(key.clone());
                if self.keys.len() - first > COMPARED_KEYS {
                    hashed = Some(self.keys.drain(first..).collect());
                }
            }
            fields.field(self, &key, &mut map)?;
        }
        self.keys.truncate(first);
        self.depth -= 1;
        Ok(Shape::Object { empty })
    }

    fn array<A: SeqAccess<'a>>(&mut self, mut items: A) -> Result<Shape<'a>, A::Error> {
        self.enter()?;
        let mut empty = true;
        while items.next_element_seed(Value { reading: &mut *self, fields: &mut Skip })?.is_some() {
            empty = false;
        }
        self.depth -= 1;
        Ok(Shape::Array { empty })
    }
}

/// A client's text as it may stand in our sentences: short, quoted, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}...`", text[..end].escape_debug()),
        None => format!("`{}`", text.escape_debug()),
    }
}

/// An object's key, borrowed from the body unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Any value; an object's fields go to `fields`.
struct Value<'r, 'a, F> {
    reading: &'r mut Reading<'a>,
    fields: &'r mut F,
}

impl<'a, F: Fields<'a>> DeserializeSeed<'a> for Value<'_, 'a, F> {
    type Value = Shape<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Shape<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, F: Fields<'a>> Visitor<'a> for Value<'_, 'a, F> {
    type Value = Shape<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape<'a>, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape<'a>, E> {
        Ok(Shape::Bool)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape<'a>, E> {
        Ok(Shape::Number)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape<'a>, E> {
        Ok(Shape::Integer(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape<'a>, E> {
        Ok(Shape::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Shape<'a>, E> {
        Ok(Shape::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape<'a>, E> {
        Ok(if F::KEEP_TEXT { Shape::Text(Cow::Owned(text.to_owned())) } else { Shape::Escaped })
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Shape<'a>, A::Error> {
        self.reading.object(map, self.fields)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, items: A) -> Result<Shape<'a>, A::Error> {
        self.reading.array(items)
    }
}
