//! A JSON string that is not copied unless it must be.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// A JSON string that borrows from the body unless it holds escapes. (`Option<Cow<str>>` would
/// always copy.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The same, independent of what it was read from.
    pub(crate) fn into_owned<'a>(self) -> Text<'a> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A recipient: a JSON string, or a number's digits, which Graph takes as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialled<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Dialled<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dialled<'a>, D::Error> {
        struct DialledVisitor;
        impl<'de> Visitor<'de> for DialledVisitor {
            type Value = Dialled<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a number")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Dialled<'de>, E> {
                Ok(Dialled(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Dialled<'de>, E> {
                Ok(Dialled(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Dialled<'de>, E> {
                Ok(Dialled(Text(Cow::Owned(number.to_string()))))
            }
        }
        deserializer.deserialize_any(DialledVisitor)
    }
}
