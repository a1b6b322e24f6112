//! Replies of upstream read as JSON, because a text in them must be another one for the client; all
//! else in them stays as it came.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Response, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use serde_json::value::RawValue;

use super::rejected::Rejected;
use crate::http::body::BodyRoom;
use crate::rejection::RejectionKind;
use crate::upstream::body::{BoxError, StreamBody};

/// An answer whose body was read, if it is JSON.
pub enum Answer {
    /// A good answer with its whole body.
    Json(Box<response::Parts>, Bytes),
    /// Any other answer, or one of a declared length above the limit; not read.
    Other(Response<StreamBody>),
}

/// Reads an answer of at most `limit` bytes, which takes its part of the memory of all bodies as
/// long as `room` lives.
///
/// # Errors
/// It breaks off, is longer than it may be, or there is no room for it.
pub async fn read(
    answer: Response<StreamBody>,
    limit: usize,
    room: &mut BodyRoom<'_>,
) -> Result<Answer, Rejected> {
    let long = answer.body().size_hint().lower() > limit as u64;
    if !answer.status().is_success() || !is_plain_json(answer.headers()) || long {
        return Ok(Answer::Other(answer));
    }
    let (head, mut body) = answer.into_parts();
    let unreadable = || Rejected::no_answer("unreadable_answer");
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.map_err(|_| unreadable())?.into_data() {
            whole.extend_from_slice(&piece);
        }
        if whole.len() > limit {
            return Err(unreadable());
        }
        room.grow_to(whole.capacity())
            .map_err(|error| Rejected::new(RejectionKind::Overloaded, error).retry_after(1))?;
    }
    Ok(Answer::Json(Box::new(head), whole.freeze()))
}

/// The answer as it came, or with `changed` instead of its body.
pub fn answer(
    mut head: response::Parts,
    body: Bytes,
    changed: Option<Bytes>,
) -> Response<StreamBody> {
    if changed.is_some() {
        // They are about the answer as Meta wrote it.
        for name in [header::CONTENT_LENGTH, header::ETAG] {
            head.headers.remove(name);
        }
    }
    let never = |never: Infallible| -> BoxError { match never {} };
    Response::from_parts(head, Full::new(changed.unwrap_or(body)).map_err(never).boxed())
}

/// `body` with other texts in place of values that are parts of it; `None` if nothing changes.
pub fn replaced(body: &Bytes, texts: &[(&RawValue, String)]) -> Option<Bytes> {
    let mut spans: Vec<(usize, usize, &str)> = Vec::with_capacity(texts.len());
    for (value, text) in texts {
        let raw = value.get();
        let start = (raw.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let end = start.checked_add(raw.len())?;
        (body.get(start..end)? == raw.as_bytes()).then_some(())?;
        spans.push((start, end, text));
    }
    spans.sort_unstable();
    let (mut changed, mut copied) = (Vec::with_capacity(body.len()), 0);
    for (start, end, text) in &spans {
        changed.extend_from_slice(body.get(copied..*start)?);
        changed.extend_from_slice(serde_json::to_string(text).ok()?.as_bytes());
        copied = *end;
    }
    changed.extend_from_slice(body.get(copied..)?);
    (!spans.is_empty()).then(|| changed.into())
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let json = ["application/json", "text/javascript"];
    json.iter().any(|json| essence.eq_ignore_ascii_case(json))
        && !headers.contains_key(header::CONTENT_ENCODING)
}
