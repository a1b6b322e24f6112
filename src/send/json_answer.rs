//! What upstream replies to passed-through requests, read whole: what cannot be read is not passed
//! back, nor is what has the channel's token in it. All else stays as it came, but for texts that
//! must be others for the client.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use http::header;
use http::{Response, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::rejected::Rejected;
use crate::http::body::BodyRoom;
use crate::rejection::RejectionKind;
use crate::upstream::body::{BoxError, StreamBody};
use crate::upstream::encoding::decoded;
use crate::upstream::leak::carries;
use crate::upstream::target::AccessToken;

/// An answer whose body was read.
pub struct Answer {
    head: Box<response::Parts>,
    body: Bytes,
}

impl Answer {
    /// Reads an answer of at most `limit` bytes, which takes its part of the memory of all bodies
    /// as long as `room` lives. A content encoding, which nobody asked for, is undone.
    ///
    /// # Errors
    /// It breaks off, is longer than it may be, or there is no room for it; it is good and no JSON,
    /// or no text at all.
    pub async fn read(
        answer: Response<StreamBody>,
        limit: usize,
        room: &mut BodyRoom<'_>,
    ) -> Result<Answer, Rejected> {
        let (mut head, mut body) = answer.into_parts();
        if body.size_hint().lower() > limit as u64 {
            return Err(unreadable());
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame.map_err(|_| unreadable())?.into_data() {
                whole.extend_from_slice(&piece);
            }
            if whole.len() > limit {
                return Err(unreadable());
            }
            grow(room, whole.capacity())?;
        }
        let mut body = whole.freeze();
        match decoded(&head.headers, &body, limit).map_err(|_| unreadable())? {
            Cow::Borrowed(_) => {}
            Cow::Owned(content) => {
                head.headers.remove(header::CONTENT_LENGTH);
                head.headers.remove(header::ETAG);
                body = Bytes::from(content);
                grow(room, body.len())?;
            }
        }
        head.headers.remove(header::CONTENT_ENCODING);
        let answer = Answer { head: Box::new(head), body };
        answer.is_readable().then_some(answer).ok_or_else(unreadable)
    }

    /// JSON if it is good, else at least a text: the page of an intermediary, or nothing.
    fn is_readable(&self) -> bool {
        if self.is_success() && !self.body.is_empty() {
            return serde_json::from_slice::<IgnoredAny>(&self.body).is_ok();
        }
        std::str::from_utf8(&self.body).is_ok() && !self.body.contains(&0)
    }

    /// Whether its status is a good one.
    pub fn is_success(&self) -> bool {
        self.head.status.is_success()
    }

    /// What was read; JSON or nothing if it is good.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Puts another body in the place of what was read.
    pub fn replace(&mut self, body: Bytes) {
        // They are about the answer as Meta wrote it.
        for name in [header::CONTENT_LENGTH, header::ETAG] {
            self.head.headers.remove(name);
        }
        self.body = body;
    }

    /// The answer for the client.
    ///
    /// # Errors
    /// It has the token in it, as it is or escaped, in a header or in its body.
    pub fn without(self, token: &AccessToken) -> Result<Response<StreamBody>, Leak> {
        let mut values = self.head.headers.values();
        if carries(&self.body, token) || values.any(|value| carries(value.as_bytes(), token)) {
            return Err(Leak);
        }
        let never = |never: Infallible| -> BoxError { match never {} };
        Ok(Response::from_parts(*self.head, Full::new(self.body).map_err(never).boxed()))
    }
}

/// The channel's token is in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak;

/// The rejection of an answer that cannot be read, and could have anything in it.
pub fn unreadable() -> Rejected {
    Rejected::no_answer("unreadable_answer")
}

fn grow(room: &mut BodyRoom<'_>, bytes: usize) -> Result<(), Rejected> {
    let overloaded = |error| Rejected::new(RejectionKind::Overloaded, error).retry_after(1);
    room.grow_to(bytes).map_err(overloaded)
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
