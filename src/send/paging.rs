//! The links to further pages in an answer of Meta's: they name Meta's host and carry the channel's
//! token, so they become links of the gateway, without it. Clients that write their key into the
//! query follow such a link as it is: it carries their key, as Meta's carries the token.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::Uri;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json_answer;
use crate::http::credentials;

/// What the links of an answer lead to.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// The base of the gateway's URLs for this client.
    pub base: &'a str,
    /// The path that was asked.
    pub path: &'a str,
    /// The client's key as its query has it, `access_token=...`; `None` if it came in the header,
    /// with which the next request comes too.
    pub key: Option<&'a str>,
}

/// A link to a further page is none, or cannot be given another text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OddLink;

/// The answer with other links, whatever they are links of; `None` if it has none. A list's own
/// lead to the path that was asked, those of a list within it to the path that they name.
///
/// # Errors
/// A `next` or `previous` in a `paging` that is no link, or a body that is no JSON.
pub fn with_links(body: &Bytes, links: Links<'_>) -> Result<Option<Bytes>, OddLink> {
    let mut found = Vec::new();
    let walk = Walk { found: &mut found, depth: 0, paging: false };
    let mut json = serde_json::Deserializer::from_slice(body);
    walk.deserialize(&mut json).map_err(|_| OddLink)?;
    json.end().map_err(|_| OddLink)?;
    let texts: Option<Vec<_>> =
        found.into_iter().map(|(raw, own)| Some((raw, links.link(raw, own)?))).collect();
    let texts = texts.ok_or(OddLink)?;
    if texts.is_empty() {
        return Ok(None);
    }
    json_answer::replaced(body, &texts).map(Some).ok_or(OddLink)
}

impl Links<'_> {
    fn link(self, raw: &RawValue, own: bool) -> Option<String> {
        let text: String = serde_json::from_str(raw.get()).ok()?;
        let query = text.split_once('?').map(|(_, query)| query);
        let query = credentials::query_without_key(query);
        let path = if own {
            Cow::Borrowed(self.path)
        } else {
            let uri: Uri = text.parse().ok()?;
            uri.host()?;
            Cow::Owned(uri.path().to_owned())
        };
        let mut link = format!("{}{path}", self.base);
        let mut before = '?';
        for part in [query.as_deref(), self.key].into_iter().flatten() {
            link.push(before);
            link.push_str(part);
            before = '&';
        }
        Some(link)
    }
}

/// Finds the links in a value: the text of each, and whether it is the list's own.
struct Walk<'a, 'f> {
    found: &'f mut Vec<(&'a RawValue, bool)>,
    depth: usize,
    /// The value is that of a `paging`.
    paging: bool,
}

/// A key of an object, as it reads without escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Walk<'de, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if self.paging && matches!(&*key, "next" | "previous") {
                let raw: &'de RawValue = map.next_value()?;
                match raw.get().bytes().next() {
                    Some(b'"') => self.found.push((raw, self.depth == 1)),
                    Some(b'n') => {}
                    _ => return Err(A::Error::custom("a link is a text")),
                }
                continue;
            }
            let (depth, paging) = (self.depth.saturating_add(1), key == "paging");
            map.next_value_seed(Walk { found: &mut *self.found, depth, paging })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (depth, paging) = (self.depth.saturating_add(1), self.paging);
        while list.next_element_seed(Walk { found: &mut *self.found, depth, paging })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Links, OddLink, with_links};
    use bytes::Bytes;

    const HERE: Links<'_> = Links { base: "http://gw", path: "/l", key: None };

    #[track_caller]
    fn check(body: &str, links: Links<'_>, expected: &str) {
        let found = with_links(&Bytes::copy_from_slice(body.as_bytes()), links);
        assert_eq!(found, Ok(Some(Bytes::copy_from_slice(expected.as_bytes()))), "{body}");
    }

    #[test]
    fn links_lead_to_the_gateway_without_the_token() {
        let list =
            |next: &str, rest: &str| format!(r#"{{"data":[],"paging":{{"next":{next}{rest}}}}}"#);
        let cursors = r#","cursors":{"after":"x"}"#;
        for (next, rest, expected) in [
            (
                r#""https:\/\/meta\/l?access_token=EAA&limit=2&after=x""#,
                cursors,
                "?limit=2&after=x",
            ),
            (r#""https://meta/l?after=x&access_token=EAA""#, "", "?after=x"),
            (r#""https://meta/l?access_token=EAA""#, cursors, ""),
            (r#""https://meta/l""#, "", ""),
        ] {
            let expected = list(&format!(r#""http://gw/l{expected}""#), rest);
            check(&list(next, rest), HERE, &expected);
        }
        let both = r#"{"paging":{"previous":"a?b=1&access_token=E","next":"a?access_token=E&c"}}"#;
        let expected = r#"{"paging":{"previous":"http://gw/l?b=1","next":"http://gw/l?c"}}"#;
        check(both, HERE, expected);
        let none = r#"{"paging":{"next":null,"cursors":{"next":7}},"next":"https://meta/x"}"#;
        for body in [none, r#"{"data":[]}"#, "[]", "7", r#"{"paging":7}"#] {
            assert_eq!(with_links(&Bytes::from(body), HERE), Ok(None), "{body}");
        }
    }

    #[test]
    fn links_at_any_depth_are_found() {
        let link = |path: &str| format!(r#""https://meta/{path}?after=x&access_token=EAA""#);
        let here = |path: &str| format!(r#""http://gw/{path}?after=x""#);
        for form in [
            r#"{"id":"1","codes":{"data":[],"paging":{"next":$}}}"#,
            r#"{"data":[{"a":[{"p\u0061ging":{"n\u0065xt":$}}]}]}"#,
            r#"{"data":{"paging":{"cursors":{},"previous":$}}}"#,
            r#"[{"paging":[{"next":$}]}]"#,
        ] {
            let (there, here) = (link("v24.0/1/codes"), here("v24.0/1/codes"));
            check(&form.replace('$', &there), HERE, &form.replace('$', &here));
        }
        let twice = r#"{"paging":{"next":$},"paging":{"next":$,"next":$}}"#;
        check(&twice.replace('$', &link("l")), HERE, &twice.replace('$', &here("l")));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for body in [
            "",
            "\u{feff}{}",
            "callback({})",
            r#"{"paging":{"next":"a"}} x"#,
            r#"{"paging":{"next":{"paging":{"next":"a"}}}}"#,
            r#"{"paging":{"next":7}}"#,
            r#"{"a":{"paging":{"next":"not a link"}}}"#,
            r#"{"a":{"paging":{"next":"/v24.0/1"}}}"#,
        ] {
            assert_eq!(with_links(&Bytes::from(body), HERE), Err(OddLink), "{body}");
        }
    }

    #[test]
    fn a_key_of_the_query_stays_in_it() {
        let links = Links { key: Some("access_token=tg%5Flive_x"), ..HERE };
        for (next, expected) in [
            ("a?access_token=EAA&limit=2", "http://gw/l?limit=2&access_token=tg%5Flive_x"),
            ("a?access_token=EAA", "http://gw/l?access_token=tg%5Flive_x"),
            ("a", "http://gw/l?access_token=tg%5Flive_x"),
        ] {
            let list = |link: &str| format!(r#"{{"paging":{{"next":"{link}"}}}}"#);
            check(&list(next), links, &list(expected));
        }
    }
}
