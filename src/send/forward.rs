//! Forward: the send's bytes to the channel's upstream with the channel's own token.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use super::rejected::Rejected;
use super::service::SendService;
use crate::catalog::Snapshot;
use crate::ids::ChannelId;
use crate::rejection::RejectionKind;
use crate::upstream::client::{Attempt, Forward};
use crate::upstream::encoding::{MAX_DECODED, Undecodable, decoded};
use crate::upstream::graph_error::GraphError;
use crate::upstream::leak::carries;
use crate::upstream::target::{AccessToken, Target};

/// The upstream of a channel. Found before anything is held, so that a channel without a token
/// costs nothing.
pub fn target(
    service: &SendService,
    snapshot: &Snapshot,
    channel_id: &ChannelId,
) -> Result<Target, Rejected> {
    let found = || {
        let channel = &snapshot.channels.get(channel_id).ok_or("it is gone")?.settings;
        service.services.target(channel)
    };
    found().map_err(|reason: String| {
        tracing::error!(
            account = %snapshot.id,
            channel = %channel_id,
            reason,
            "a channel has no usable token or upstream"
        );
        Rejected::new(
            RejectionKind::ChannelDisabled,
            "the gateway has no usable Meta token or address for this channel; \
             its operator must set one",
        )
    })
}

/// Sends `body` to `path`.
pub async fn forward(
    service: &SendService,
    target: &Target,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Attempt {
    let forward = Forward { base: &target.base, path, token: &target.token, headers, body };
    plain(service.services.upstream.forward(forward).await)
}

/// An error that repeats the token it was asked with - Graph's about a malformed one does, and so
/// may a provider's - goes back without its words: the token is the operator's. What is judged is
/// the answer as it came.
pub fn without_token(attempt: Attempt, token: &AccessToken) -> Attempt {
    let Attempt::Answered { status, headers, body } = attempt else { return attempt };
    let mut values = headers.values();
    let leaks = !(200..300).contains(&status)
        && (carries(&body, token) || values.any(|value| carries(value.as_bytes(), token)));
    if !leaks {
        return Attempt::Answered { status, headers, body };
    }
    tracing::error!(status, "upstream's error has the channel's token in it; it is withheld");
    let message = "upstream's error is withheld, because it repeats the channel's access token";
    let code = GraphError::read(&body).map_or(190, |error| error.code);
    let error = json!({"error": {"message": message, "type": "OAuthException", "code": code}});
    let headers = HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    )]);
    Attempt::Answered { status, headers, body: error.to_string().into() }
}

/// The client was not asked which content encodings it takes, and none was asked for: an answer
/// that came in one goes back without it. One that cannot be decoded goes back as it came.
fn plain(attempt: Attempt) -> Attempt {
    let Attempt::Answered { status, mut headers, body } = attempt else { return attempt };
    let content = match decoded(&headers, &body, MAX_DECODED) {
        Ok(Cow::Owned(content)) => Bytes::from(content),
        Ok(Cow::Borrowed(_)) => body.clone(),
        Err(Undecodable) => return Attempt::Answered { status, headers, body },
    };
    headers.remove(header::CONTENT_ENCODING);
    Attempt::Answered { status, headers, body: content }
}
