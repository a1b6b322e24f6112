//! The connections to Meta, and the one rule about repeating: only what was provably not sent is
//! sent again.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Request, Response, header};

use super::body::StreamBody;
pub use super::connect::NotSentReason;
use super::connect::{Failed, Lanes, failed, lost};
use super::exclusive::{ExclusiveConnections, Unsent};
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

/// Talks to Meta: over HTTP/2, whose connections many requests share, if it is offered and taken;
/// over HTTP/1.1, a connection for each send in flight, to hosts without TLS or if the options say
/// so. Cheap to clone; clones share the connections.
///
/// Sends and pass-through have pools of their own, so that a slow download never delays a send.
#[derive(Clone)]
pub struct Upstream {
    options: Arc<UpstreamOptions>,
    exclusive: Arc<ExclusiveConnections>,
    sends: Lanes<Full<Bytes>>,
    pub(super) streams: Lanes<StreamBody>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Upstream {
    /// A client without connections; they are opened as they are needed.
    pub fn new(options: UpstreamOptions) -> Upstream {
        let (sends, streams) = (Lanes::new(&options), Lanes::new(&options));
        let exclusive = Arc::new(ExclusiveConnections::new(&options));
        Upstream { options: Arc::new(options), exclusive, sends, streams }
    }

    /// The bounds in force.
    pub fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    /// Closes connections that nobody uses any more; to be called every few seconds.
    pub fn tidy(&self) {
        self.exclusive.tidy();
    }

    #[cfg(test)]
    pub(super) fn unused(&self) -> usize {
        self.exclusive.unused()
    }

    /// Sends one message and waits for its answer, at most [`UpstreamOptions::answer_timeout`].
    ///
    /// Dropping the future abandons the message in an unknown state: a caller that has reserved for
    /// it must await the end.
    pub async fn forward(&self, forward: Forward<'_>) -> Attempt {
        let Some(path) = forward.base.path(forward.path) else {
            return Attempt::NotSent { reason: NotSentReason::InvalidPath };
        };
        let mut request = Request::new(Full::new(forward.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers::for_send(forward.headers, forward.token);
        let limit = self.options.answer_timeout;
        tokio::time::timeout(limit, self.send(forward.base, request))
            .await
            .unwrap_or(Attempt::Unknown { reason: UnknownReason::Deadline })
    }

    /// Tries again what was provably not sent, as often and as long as the options permit.
    async fn send(&self, base: &BaseUrl, mut request: Request<Full<Bytes>>) -> Attempt {
        let started = Stopwatch::start();
        let mut repeats = self.options.not_sent_repeats;
        loop {
            let (failed, unsent) = if base.is_tls() && self.options.http2 {
                match Box::pin(self.over_shared(base, request)).await {
                    Ok(attempt) => return attempt,
                    Err(failed) => failed,
                }
            } else {
                match self.over_exclusive(base, request).await {
                    Ok(attempt) => return attempt,
                    Err(failed) => failed,
                }
            };
            let reason = match failed {
                Failed::NotSent(reason) => reason,
                Failed::Unknown(reason) => return Attempt::Unknown { reason },
            };
            let pause = self.options.connect_timeout / 20;
            let needed = started
                .elapsed()
                .saturating_add(pause)
                .saturating_add(self.options.connect_timeout);
            let Some(unsent) = unsent.filter(|_| {
                repeats > 0 && reason.is_worth_repeating() && needed < self.options.answer_timeout
            }) else {
                return Attempt::NotSent { reason };
            };
            request = unsent;
            repeats -= 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends over a connection that the send has to itself.
    async fn over_exclusive(
        &self,
        base: &BaseUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Attempt, (Failed, Unsent)> {
        request.headers_mut().insert(header::HOST, base.host_header().clone());
        let (response, mut connection) = self.exclusive.request(base, request).await?;
        let attempt = connection.drive(self.answer(response)).await;
        self.exclusive.keep(base, connection);
        Ok(attempt)
    }

    /// Sends over connections that sends share.
    async fn over_shared(
        &self,
        base: &BaseUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Attempt, (Failed, Unsent)> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = base.at(path.unwrap_or(PathAndQuery::from_static("/")));
        match self.sends.request(request.clone()).await {
            Ok(response) => Ok(self.answer(response).await),
            Err(error) => Err((failed(&error), Some(request))),
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
