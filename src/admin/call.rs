//! One admin call as its handler sees it: who calls, on which account, with which path, query and
//! body; and how it replies.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::problem::{self, Problem};
use crate::catalog::{Principal, Snapshot};
use crate::control::Control;
use crate::ledger::{Page, PageRequest};

/// Items of a page if the call names no limit.
const PAGE: usize = 100;

/// Items of a page at most.
pub const LONGEST_PAGE: usize = 1_000;

/// Header that carries the cursor of the next page beside a CSV body.
pub const NEXT_CURSOR: &str = "tollgate-next-cursor";

/// A call that may be made, with its body read.
pub struct Call {
    /// The business operations.
    pub control: Arc<Control>,
    /// The account of its path with its settings as they are now; `None` on paths without one.
    pub account: Option<Arc<Snapshot>>,
    /// Who is calling; `None` on public routes.
    pub(super) principal: Option<Principal>,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The client asked for CSV.
    pub csv: bool,
}

impl Call {
    /// The account of the path.
    pub fn account(&self) -> Result<&Arc<Snapshot>, Problem> {
        self.account.as_ref().ok_or_else(|| {
            Problem::internal("a route without an account has a handler that needs one", &self.path)
        })
    }

    /// Who is calling.
    pub fn principal(&self) -> Result<&Principal, Problem> {
        self.principal.as_ref().ok_or_else(|| {
            Problem::internal("a public route has a handler that needs a key", &self.path)
        })
    }

    /// A part of the path as it was written, percent-decoded.
    pub fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(part, _)| part == name).map_or("", |(_, value)| value)
    }

    /// An id of the path; one that cannot be an id names nothing.
    pub fn id<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        let text = self.part(name);
        text.parse().map_err(|_| Problem::unknown(what, text))
    }

    /// The id of the path of something that may be created under it.
    pub fn new_id<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Problem> {
        self.part(name).parse().map_err(|error: T::Err| Problem::field(name, error.to_string()))
    }

    /// A query parameter; an empty one counts as not given.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(parameter, _)| parameter == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A query parameter, read.
    pub fn read<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse().map_err(|error| bad_parameter(name, error));
        self.query(name).map(read).transpose()
    }

    /// `limit` and `cursor`; the cursor must be the text of a `T`, which is what the list is
    /// ordered by.
    pub fn page<T: FromStr<Err: Display>>(&self) -> Result<PageRequest, Problem> {
        let limit =
            self.read::<usize>("limit")?.unwrap_or(if self.csv { LONGEST_PAGE } else { PAGE });
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(bad_parameter("limit", format!("a page has 1 to {LONGEST_PAGE} items")));
        }
        let cursor = self.query("cursor");
        if cursor.is_some_and(|cursor| cursor.parse::<T>().is_err()) {
            return Err(bad_parameter("cursor", "it is not one that this list gave"));
        }
        Ok(PageRequest { cursor: cursor.map(str::to_owned), limit })
    }

    /// The body, read strictly: an object without unknown or repeated fields.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Structs could also be written as arrays, which nobody means.
        if self.body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Problem::new(&problem::MALFORMED, "the body is not a JSON object"));
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let (mut track, mut unknown) = (serde_path_to_error::Track::new(), Vec::new());
        let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
        let read = serde_ignored::deserialize(tracked, |path| unknown.push(path_of(&path)));
        let value =
            read.map_err(|error| unfit(&serde_path_to_error::Error::new(track.path(), error)))?;
        reader.end().map_err(|error| Problem::new(&problem::MALFORMED, error.to_string()))?;
        // Types that the ledger's documents are read by skip what they do not know.
        match unknown.first() {
            Some(path) => Err(Problem::field(path, format!("unknown field `{path}`"))),
            None => Ok(value),
        }
    }

    /// The body of a call that needs none: nothing is the same as `{}`.
    pub fn json_or_nothing<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Brings the ledger up to date with what this gateway has queued for the account, so that a
    /// read shows it.
    pub async fn catch_up(&self) -> Result<(), Problem> {
        Ok(self.control.catch_up(&self.account()?.id).await?)
    }
}

/// The body of a call that needs none.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct NothingBody {}

/// A query parameter that does not fit.
pub fn bad_parameter(name: &str, detail: impl Display) -> Problem {
    let mut problem = Problem::field(name, detail.to_string());
    problem.kind = &problem::MALFORMED;
    problem
}

fn unfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = error.inner().to_string();
    if !error.inner().is_data() {
        return Problem::new(&problem::MALFORMED, message);
    }
    let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail);
    Problem::field(&faulty_field(&error.path().to_string(), detail), detail)
}

/// The path of a field, `caps[0].max`.
fn path_of(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", path_of(parent)),
        Path::Map { parent, key } => match path_of(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => path_of(parent),
    }
}

/// The path of the wrong field. A missing, repeated or unknown one is not in the path but named in
/// the message.
fn faulty_field(path: &str, message: &str) -> String {
    let named = ["missing field `", "duplicate field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match (path, named) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    }
}

/// A JSON reply.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response<Body>, Problem> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Problem::internal("an answer could not be written", &error))?;
    Ok(with_type(status, text, "application/json"))
}

/// `200` and a JSON reply.
pub fn ok<T: Serialize>(value: &T) -> Result<Response<Body>, Problem> {
    json(StatusCode::OK, value)
}

/// `201` if something was made, else `200`, and a JSON reply.
pub fn made<T: Serialize>(new: bool, value: &T) -> Result<Response<Body>, Problem> {
    json(if new { StatusCode::CREATED } else { StatusCode::OK }, value)
}

/// `204`: done, and there is nothing to say.
pub fn done() -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The page of a list that is at hand as a whole, in order of the items' texts.
pub fn page_of<'a, T>(
    items: impl Iterator<Item = &'a T>,
    request: &PageRequest,
    text: fn(&T) -> &str,
) -> Page<&'a T> {
    let after = |item: &&'a T| request.cursor.as_deref().is_none_or(|cursor| text(item) > cursor);
    let mut items: Vec<&T> = items.filter(after).collect();
    items.sort_unstable_by(|one, other| text(one).cmp(text(other)));
    let more = items.len() > request.limit;
    items.truncate(request.limit);
    let next = items.last().filter(|_| more).map(|last| text(last).to_owned());
    Page { items, next }
}

/// A page of a list.
pub fn list<T: Serialize>(items: &[T], next: Option<&str>) -> Result<Response<Body>, Problem> {
    ok(&serde_json::json!({"items": items, "next": next}))
}

pub(super) fn with_type(
    status: StatusCode,
    body: impl Into<Body>,
    content_type: &'static str,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Unix milliseconds as people read them: RFC 3339 in UTC.
pub fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::faulty_field;

    #[test]
    fn the_wrong_field_is_named() {
        for (path, message, field) in [
            (".", "missing field `currency`", "currency"),
            ("currncy", "unknown field `currncy`, expected `currency`", "currncy"),
            ("caps[0]", "missing field `max`", "caps[0].max"),
            ("caps[0].max", "invalid type: string \"1\", expected u32", "caps[0].max"),
            ("markup.percnt", "unknown field `percnt`, expected `percent`", "markup.percnt"),
        ] {
            assert_eq!(faulty_field(path, message), field, "{path} {message}");
        }
    }
}
