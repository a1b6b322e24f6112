//! The links to further pages in a list of Meta's: they name Meta's host and carry the channel's
//! token, so they become links to the same list here, without it. Clients that write their key into
//! the query follow such a link as it is: it carries their key, as Meta's carries the token.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json_answer::{self, Answer};
use super::rejected::Rejected;
use crate::http::body::BodyRoom;
use crate::http::credentials;
use crate::upstream::body::StreamBody;

/// Bytes of the longest list that is read.
const MAX_LIST: usize = 8 * 1024 * 1024;

/// What the links of a list lead to.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// The base of the gateway's URLs for this client.
    pub base: &'a str,
    /// The path of the list.
    pub path: &'a str,
    /// The client's key as its query has it, `access_token=...`; `None` if it came in the header,
    /// with which the next request comes too.
    pub key: Option<&'a str>,
}

/// The answer with the list in which the links lead to the gateway.
///
/// # Errors
/// The list could not be read to its end, or is too long.
pub async fn rewritten(
    links: Links<'_>,
    answer: Response<StreamBody>,
    room: &mut BodyRoom<'_>,
) -> Result<Response<StreamBody>, Rejected> {
    match json_answer::read(answer, MAX_LIST, room).await? {
        Answer::Json(head, body) => {
            let changed = with_links(&body, links);
            Ok(json_answer::answer(*head, body, changed))
        }
        Answer::Other(answer) if answer.status().is_success() => {
            // It could carry the token: ask for a page that can be read.
            Err(Rejected::no_answer("unreadable_answer"))
        }
        Answer::Other(answer) => Ok(answer),
    }
}

/// The list with other links; `None` if it has none.
fn with_links(body: &Bytes, links: Links<'_>) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        paging: Paging<'a>,
    }
    #[derive(Deserialize)]
    struct Paging<'a> {
        #[serde(borrow)]
        next: Option<&'a RawValue>,
        #[serde(borrow)]
        previous: Option<&'a RawValue>,
    }
    let found: List<'_> = serde_json::from_slice(body).ok()?;
    let texts: Vec<_> = [found.paging.next, found.paging.previous]
        .into_iter()
        .flatten()
        .filter_map(|raw| Some((raw, links.link(raw)?)))
        .collect();
    json_answer::replaced(body, &texts)
}

impl Links<'_> {
    fn link(self, raw: &RawValue) -> Option<String> {
        let text: String = serde_json::from_str(raw.get()).ok()?;
        let query = text.split_once('?').map(|(_, query)| query);
        let query = credentials::query_without_key(query);
        let mut link = format!("{}{}", self.base, self.path);
        let mut before = '?';
        for part in [query.as_deref(), self.key].into_iter().flatten() {
            link.push(before);
            link.push_str(part);
            before = '&';
        }
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::{Links, with_links};
    use bytes::Bytes;

    const HERE: Links<'_> = Links { base: "http://gw", path: "/l", key: None };

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
            let found = with_links(&Bytes::from(list(next, rest)), HERE);
            let expected = list(&format!(r#""http://gw/l{expected}""#), rest);
            assert_eq!(found.as_deref(), Some(expected.as_bytes()), "{next}");
        }
        let both = r#"{"paging":{"previous":"a?b=1&access_token=E","next":"a?access_token=E&c"}}"#;
        let expected = r#"{"paging":{"previous":"http://gw/l?b=1","next":"http://gw/l?c"}}"#;
        let found = with_links(&Bytes::from(both), HERE);
        assert_eq!(found.as_deref(), Some(expected.as_bytes()));
        for body in [r#"{"paging":{"cursors":{}}}"#, r#"{"data":[]}"#, "[]", "", r#"{"paging":7}"#]
        {
            assert_eq!(with_links(&Bytes::from(body), HERE), None, "{body}");
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
            let list = |link: &str| Bytes::from(format!(r#"{{"paging":{{"next":"{link}"}}}}"#));
            assert_eq!(with_links(&list(next), links), Some(list(expected)), "{next}");
        }
    }
}
