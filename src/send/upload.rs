//! The upload of a media object: a form that streams by, is read on its way, and of which upstream
//! gets the end only if all of it is what an upload may be.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::form::{Boundary, FormError, FormScanner, MAX_FORM, boundary};
use super::json_answer::Answer;
use super::parameters::check_upload;
use super::question::Question;
use super::rejected::Rejected;
use crate::http::body::BodyRoom;
use crate::rejection::RejectionKind;
use crate::upstream::body::BoxError;
use crate::upstream::pass_through::Passing;
use crate::upstream::target::Target;

/// Carries it.
///
/// # Errors
/// It is no upload; or as [`Question::carry`].
pub async fn carry(
    question: &Question<'_>,
    target: &Target,
    body: Incoming,
    room: &mut BodyRoom<'_>,
) -> Result<Answer, Rejected> {
    check_upload(question.query)?;
    let boundary = form_boundary(question.headers)?;
    if body.size_hint().lower() > MAX_FORM {
        return Err(rejected(FormError::TooLong));
    }
    if body.is_end_stream() {
        return Err(rejected(FormError::Incomplete));
    }
    let content_type = boundary.content_type().ok_or_else(unsupported)?;
    let fault = Arc::new(OnceLock::new());
    let form = Form {
        inner: body,
        scanner: FormScanner::new(&boundary),
        kept: None,
        ended: false,
        fault: Arc::clone(&fault),
    };
    let answer = question.carry(target, Passing::Body(content_type), form, room).await;
    // Upstream's word on a form that was cut is no word on the upload.
    fault.get().map_or(answer, |fault| Err(rejected(*fault)))
}

fn form_boundary(headers: &HeaderMap) -> Result<Boundary, Rejected> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let plain = encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match (types.next(), plain) {
        (None, true) => boundary(first).ok_or_else(unsupported),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Rejected {
    Rejected::new(
        RejectionKind::UnsupportedMediaType,
        "upload media as `Content-Type: multipart/form-data` with one boundary of letters, digits \
         and -_.+=, or a quoted one, given once, without content encoding",
    )
}

fn rejected(error: FormError) -> Rejected {
    let kind = match error {
        FormError::Field | FormError::Repeated => RejectionKind::PathNotAllowed,
        FormError::TooLong => RejectionKind::TooLarge,
        FormError::Head | FormError::Boundary | FormError::Outside | FormError::Incomplete => {
            RejectionKind::Malformed
        }
    };
    Rejected::new(kind, error)
}

/// A form as it comes, one piece behind: the last goes on when the whole is known to be good, so
/// that a form that is not never arrives complete.
struct Form<B> {
    inner: B,
    scanner: FormScanner,
    kept: Option<Bytes>,
    ended: bool,
    fault: Arc<OnceLock<FormError>>,
}

impl<B> Form<B> {
    fn fail(&self, error: FormError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let error = *self.fault.get_or_init(|| error);
        Poll::Ready(Some(Err(error.into())))
    }
}

impl<B> Body for Form<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(error) = this.fault.get() {
            return this.fail(*error);
        }
        while !this.ended {
            let piece = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => match this.scanner.end() {
                    Ok(()) => {
                        this.ended = true;
                        break;
                    }
                    Err(error) => return this.fail(error),
                },
            };
            if piece.is_empty() {
                continue;
            }
            if let Err(error) = this.scanner.read(&piece) {
                return this.fail(error);
            }
            if let Some(before) = this.kept.replace(piece) {
                return Poll::Ready(Some(Ok(Frame::data(before))));
            }
        }
        Poll::Ready(this.kept.take().map(|last| Ok(Frame::data(last))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.kept.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.as_ref().map_or(0, |kept| kept.len() as u64);
        let exact = self.inner.size_hint().exact();
        exact.map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + kept))
    }
}
