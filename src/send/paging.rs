//! The links to further pages in a list of Meta's: they name Meta's host and carry the channel's
//! token, so they become links to the same list here, without it.

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

/// The answer with the list at `path`, in which the links lead to the gateway at `base`.
///
/// # Errors
/// The list could not be read to its end, or is too long.
pub async fn rewritten(
    base: &str,
    path: &str,
    answer: Response<StreamBody>,
    room: &mut BodyRoom<'_>,
) -> Result<Response<StreamBody>, Rejected> {
    match json_answer::read(answer, MAX_LIST, room).await? {
        Answer::Json(head, body) => {
            let changed = with_links(&body, &format!("{base}{path}"));
            Ok(json_answer::answer(*head, body, changed))
        }
        Answer::Other(answer) if answer.status().is_success() => {
            // It could carry the token: ask for a page that can be read.
            Err(Rejected::no_answer("unreadable_answer"))
        }
        Answer::Other(answer) => Ok(answer),
    }
}

/// The list with links to `list`; `None` if it has none.
fn with_links(body: &Bytes, list: &str) -> Option<Bytes> {
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
    let links = [found.paging.next, found.paging.previous].into_iter().flatten();
    let texts: Vec<_> = links.filter_map(|raw| Some((raw, link(raw, list)?))).collect();
    json_answer::replaced(body, &texts)
}

fn link(raw: &RawValue, list: &str) -> Option<String> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    let query = text.split_once('?').map(|(_, query)| query);
    Some(match credentials::query_without_key(query) {
        Some(query) => format!("{list}?{query}"),
        None => list.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::with_links;
    use bytes::Bytes;

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
            let found = with_links(&Bytes::from(list(next, rest)), "http://gw/l");
            let expected = list(&format!(r#""http://gw/l{expected}""#), rest);
            assert_eq!(found.as_deref(), Some(expected.as_bytes()), "{next}");
        }
        let both = r#"{"paging":{"previous":"a?b=1&access_token=E","next":"a?access_token=E&c"}}"#;
        let expected = r#"{"paging":{"previous":"http://gw/l?b=1","next":"http://gw/l?c"}}"#;
        let found = with_links(&Bytes::from(both), "http://gw/l");
        assert_eq!(found.as_deref(), Some(expected.as_bytes()));
        for body in [r#"{"paging":{"cursors":{}}}"#, r#"{"data":[]}"#, "[]", "", r#"{"paging":7}"#]
        {
            assert_eq!(with_links(&Bytes::from(body), "http://gw/l"), None, "{body}");
        }
    }
}
