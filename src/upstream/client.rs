//! The connections to Meta, and the one rule about repeating: only what was provably not sent is
//! sent again.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Method, Request, Response, Uri, header};

use super::body::StreamBody;
pub use super::connect::NotSentReason;
use super::connect::{Lanes, lost, not_sent};
use super::headers;
pub use super::options::UpstreamOptions;
use super::outcome::UnknownReason;
use super::target::{AccessToken, BaseUrl};
use crate::clock::Stopwatch;

/// One message to be sent to Meta.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The address of the Graph API that `path` is below.
    pub base: &'a BaseUrl,
    /// For example `/v24.0/106540352242922/messages`.
    pub path: &'a str,
    /// The channel's token; replaces the client's `Authorization`.
    pub token: &'a AccessToken,
    /// The client's headers; only harmless end-to-end ones are passed on.
    pub headers: &'a HeaderMap,
    /// The client's body, byte for byte.
    pub body: Bytes,
}

/// The result of one [`Forward`].
#[derive(Debug)]
pub enum Attempt {
    /// A complete answer; [`super::outcome::judge`] decides whether it means that the message will
    /// be sent.
    Answered {
        /// The HTTP status of the answer, of any class.
        status: u16,
        /// Upstream's headers without those about its connection and without the length.
        headers: HeaderMap,
        /// Upstream's body, byte for byte.
        body: Bytes,
    },
    /// Provably nothing was sent.
    NotSent {
        /// Why nothing was sent.
        reason: NotSentReason,
    },
    /// The message may have been sent.
    Unknown {
        /// Why that is unknown.
        reason: UnknownReason,
    },
}

/// Talks to Meta over shared connections, HTTP/1.1 or HTTP/2. Cheap to clone; clones share the
/// connections.
///
/// Sends and pass-through have pools of their own, so that a slow download never delays a send.
#[derive(Clone, Debug)]
pub struct Upstream {
    options: UpstreamOptions,
    sends: Lanes<Full<Bytes>>,
    pub(super) streams: Lanes<StreamBody>,
}

impl Upstream {
    /// A client without connections; they are opened as they are needed.
    pub fn new(options: UpstreamOptions) -> Upstream {
        let (sends, streams) = (Lanes::new(&options), Lanes::new(&options));
        Upstream { options, sends, streams }
    }

    /// The bounds in force.
    pub fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    /// Sends one message and waits for its answer, at most [`UpstreamOptions::answer_timeout`].
    ///
    /// Dropping the future abandons the message in an unknown state: a caller that has reserved for
    /// it must await the end.
    pub async fn forward(&self, forward: Forward<'_>) -> Attempt {
        let Some(uri) = forward.base.join(forward.path) else {
            return Attempt::NotSent { reason: NotSentReason::InvalidPath };
        };
        let headers = headers::for_send(forward.headers, forward.token);
        match tokio::time::timeout(
            self.options.answer_timeout,
            self.send(uri, headers, forward.body),
        )
        .await
        {
            Ok(attempt) => attempt,
            Err(_) => Attempt::Unknown { reason: UnknownReason::Deadline },
        }
    }

    async fn send(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Attempt {
        let started = Stopwatch::start();
        let mut repeats = self.options.not_sent_repeats;
        loop {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            let error = match self.sends.request(request).await {
                Ok(response) => return self.answer(response).await,
                Err(error) => error,
            };
            let Some(reason) = not_sent(&error) else {
                return Attempt::Unknown { reason: lost(&error) };
            };
            let pause = self.options.connect_timeout / 20;
            let needed = started
                .elapsed()
                .saturating_add(pause)
                .saturating_add(self.options.connect_timeout);
            if repeats == 0 || !reason.is_worth_repeating() || needed >= self.options.answer_timeout
            {
                return Attempt::NotSent { reason };
            }
            repeats -= 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn answer(&self, response: Response<Incoming>) -> Attempt {
        let (mut parts, body) = response.into_parts();
        let limit = self.options.max_answer_bytes;
        if body.size_hint().lower() > limit as u64 {
            return Attempt::Unknown { reason: UnknownReason::UnreadableAnswer };
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => {
                headers::strip_hop_by_hop(&mut parts.headers);
                parts.headers.remove(header::CONTENT_LENGTH);
                Attempt::Answered {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body: body.to_bytes(),
                }
            }
            Err(error) if error.is::<LengthLimitError>() => {
                Attempt::Unknown { reason: UnknownReason::UnreadableAnswer }
            }
            Err(error) => Attempt::Unknown { reason: lost(error.as_ref()) },
        }
    }
}
