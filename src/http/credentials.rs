//! Reads the gateway key of a request to the data listener: from the `Authorization` header or, as
//! several senders write it, from the query. It is taken out of the query before anything is
//! forwarded.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// The query parameter that may carry the key.
const PARAMETER: &str = "access_token";

/// The schemes that may stand before the key. Old Graph SDKs write `OAuth`, which Graph takes.
const SCHEMES: [&str; 2] = ["bearer", "oauth"];

/// Why a request has no one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Neither in the header nor in the query.
    #[error("send your gateway key as `Authorization: Bearer tg_live_...`")]
    Missing,
    /// The header is given twice, with another scheme, or is not one visible ASCII token.
    #[error("the Authorization header must be `Bearer` and one gateway key, given once")]
    MalformedHeader,
    /// The parameter is empty, or not visible ASCII.
    #[error("the query parameter access_token is not a gateway key")]
    MalformedParameter,
    /// Two keys of which either could be meant.
    #[error("the request carries two different keys; give one, in the Authorization header")]
    Ambiguous,
}

/// The one key that the request carries.
///
/// # Errors
/// No key, one that cannot be a key, or two that differ.
pub fn key<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
) -> Result<Cow<'a, str>, CredentialsError> {
    let mut found = in_header(headers)?.map(Cow::Borrowed);
    let values = pairs(query).filter(|(name, _)| *name == PARAMETER).map(|(_, value)| value);
    for value in values {
        let key = percent_decoded(value).ok_or(CredentialsError::MalformedParameter)?;
        match &found {
            Some(other) if *other != key => return Err(CredentialsError::Ambiguous),
            _ => found = Some(key),
        }
    }
    found.ok_or(CredentialsError::Missing)
}

/// The query as it may be forwarded: without the key. `None` if nothing is left.
pub fn query_without_key(query: Option<&str>) -> Option<Cow<'_, str>> {
    let query = query?;
    if pairs(Some(query)).all(|(name, _)| name != PARAMETER) {
        return Some(Cow::Borrowed(query));
    }
    let is_key = |pair: &&str| pair.split('=').next() == Some(PARAMETER);
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    if rest.is_empty() { None } else { Some(Cow::Owned(rest.join("&"))) }
}

/// The key as the query has it, name and value as they are written; `None` if it has none.
pub fn pair(query: Option<&str>) -> Option<&str> {
    query?.split('&').find(|pair| pair.split('=').next() == Some(PARAMETER))
}

fn in_header(headers: &HeaderMap) -> Result<Option<&str>, CredentialsError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialsError::MalformedHeader);
    }
    let value = value.to_str().map_err(|_| CredentialsError::MalformedHeader)?;
    let (scheme, key) = value.split_once(' ').ok_or(CredentialsError::MalformedHeader)?;
    let key = key.trim_matches(' ');
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if known && is_visible(key) { Ok(Some(key)) } else { Err(CredentialsError::MalformedHeader) }
}

/// Names and values as they are written.
fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let whole = query.unwrap_or_default().split('&');
    whole.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_visible(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A key with its percent-encoded characters; `None` if it is not visible ASCII.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        // A plus stands for a space, which no key has.
        return (is_visible(text) && !text.contains('+')).then_some(Cow::Borrowed(text));
    }
    let mut key = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let digits = after.get(..2).filter(|hex| hex.bytes().all(|one| one.is_ascii_hexdigit()))?;
        key.push_str(before);
        key.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        rest = after.get(2..)?;
    }
    key.push_str(rest);
    (is_visible(&key) && !text.contains('+')).then_some(Cow::Owned(key))
}

#[cfg(test)]
mod tests {
    use super::{CredentialsError, key, pair, query_without_key};
    use hyper::HeaderMap;
    use hyper::header::{AUTHORIZATION, HeaderValue};

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_key_wherever_it_stands() {
        use CredentialsError::{Ambiguous, MalformedHeader, MalformedParameter, Missing};
        for (header, query, expected) in [
            (&["Bearer tg_live_x"][..], None, Ok("tg_live_x")),
            (&["bearer  tg_live_x "], Some("limit=2"), Ok("tg_live_x")),
            (&["OAuth tg_live_x"], None, Ok("tg_live_x")),
            (&["oauth tg_live_x"], Some("access_token=tg_live_x"), Ok("tg_live_x")),
            (&[], Some("access_token=tg_live_x"), Ok("tg_live_x")),
            (&[], Some("a=b&access_token=tg%5flive%5Fx&c"), Ok("tg_live_x")),
            (&[], Some("access_token=x&access_token=x"), Ok("x")),
            (&[], Some("access_token=a=b"), Ok("a=b")),
            (&[], None, Err(Missing)),
            (&[], Some("Access_Token=x"), Err(Missing)),
            (&[], Some("access%5Ftoken=x"), Err(Missing)),
            (&["Bearer a"], Some("access_token=b"), Err(Ambiguous)),
            (&[], Some("access_token=a&access_token=b"), Err(Ambiguous)),
            (&["Bearer a"], Some("access_token="), Err(MalformedParameter)),
            (&[], Some("access_token"), Err(MalformedParameter)),
            (&[], Some("access_token=a+b"), Err(MalformedParameter)),
            (&[], Some("access_token=a%20b"), Err(MalformedParameter)),
            (&[], Some("access_token=a%2"), Err(MalformedParameter)),
            (&[], Some("access_token=a%zz"), Err(MalformedParameter)),
            (&[], Some("access_token=%e4%bd%a0"), Err(MalformedParameter)),
            (&["Bearer"], None, Err(MalformedHeader)),
            (&["Bearer "], None, Err(MalformedHeader)),
            (&["Bearer a b"], None, Err(MalformedHeader)),
            (&["Basic dTpw"], Some("access_token=a"), Err(MalformedHeader)),
            (&["tg_live_x"], None, Err(MalformedHeader)),
            (&["Bearer a", "Bearer a"], None, Err(MalformedHeader)),
        ] {
            let headers = headers(header);
            let found = key(&headers, query);
            assert_eq!(found.as_deref(), expected.as_ref().map(|key| *key), "{header:?} {query:?}");
        }
    }

    #[test]
    fn the_key_is_taken_out_of_the_query() {
        for (query, rest, taken) in [
            (None, None, None),
            (Some(""), Some(""), None),
            (Some("limit=2&after=x"), Some("limit=2&after=x"), None),
            (Some("access_token=x"), None, Some("access_token=x")),
            (Some("access_token=x&limit=2"), Some("limit=2"), Some("access_token=x")),
            (Some("a=b&access_token=%78&c=d"), Some("a=b&c=d"), Some("access_token=%78")),
            (Some("access_token=x&access_token"), None, Some("access_token=x")),
            (Some("my_access_token=x"), Some("my_access_token=x"), None),
        ] {
            assert_eq!(query_without_key(query).as_deref(), rest, "{query:?}");
            assert_eq!(pair(query), taken, "{query:?}");
        }
    }
}
