//! Media in two steps: the URL in the answer about a media object becomes one of the gateway's, and
//! fetching that streams the object from Meta's host with the channel's token.

use bytes::Bytes;
use http::header;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::forward::target;
use super::json_answer::{self, Answer};
use super::media_url::MediaUrl;
use super::rejected::Rejected;
use super::service::{MediaOptions, SendService};
use super::streamed::{StreamedReply, finished, stream};
use crate::http::body::BodyRoom;
use crate::ids::{AccountId, ChannelId};
use crate::rejection::RejectionKind;
use crate::upstream::body::StreamBody;
use crate::upstream::media_hosts::on_media_host;
use crate::upstream::pass_through::Allowed;
use crate::upstream::streaming::PassThrough;

/// Bytes of the longest answer about a media object: Meta's have some hundred.
const MAX_ANSWER: usize = 64 * 1024;

/// The base of the gateway's URLs for this client.
///
/// # Errors
/// The request names no host, and none is configured.
pub fn public_base(options: &MediaOptions, head: &Parts) -> Result<String, Rejected> {
    if let Some(url) = &options.public_url {
        return Ok(url.clone());
    }
    let named = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or(named);
    let host = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    let host = host.filter(|host| !host.as_str().contains('@')).ok_or_else(|| {
        let details = "the request names no host, so the media object's URL cannot be given";
        Rejected::new(RejectionKind::Malformed, details)
    })?;
    let scheme = if options.tls { "https" } else { "http" };
    Ok(format!("{scheme}://{host}"))
}

/// The answer about a media object, in which `url` leads to the gateway if it led to a host of
/// media; any other answer as it came.
///
/// # Errors
/// The answer could not be read to its end.
pub async fn rewritten(
    service: &SendService,
    account: &AccountId,
    channel: &ChannelId,
    base: &str,
    answer: Response<StreamBody>,
    room: &mut BodyRoom<'_>,
) -> Result<Response<StreamBody>, Rejected> {
    let (head, body) = match json_answer::read(answer, MAX_ANSWER, room).await? {
        Answer::Json(head, body) => (head, body),
        Answer::Other(answer) => return Ok(answer),
    };
    let sign = |target: &str| {
        let media = &service.options.media;
        if on_media_host(target, &media.hosts).is_none() {
            let host = target.parse::<http::Uri>().ok();
            let host = host.as_ref().and_then(http::Uri::host).unwrap_or("none");
            tracing::warn!(%account, %channel, host, "a media URL is on a host that media.hosts \
                    does not list; it was passed on as it came");
            return None;
        }
        let now_ms = service.services.clock.now_ms();
        let url = MediaUrl {
            account: account.clone(),
            channel: channel.clone(),
            target: target.to_owned(),
            expires_ms: now_ms.saturating_add(media.url_lifetime_ms),
        };
        Some(format!("{base}/media/{}", url.sign(service.services.catalog.hasher())))
    };
    let changed = with_url(&body, sign);
    Ok(json_answer::answer(*head, body, changed))
}

/// The JSON object in `body` with another `url`; `None` if it has none, or `replaced` has no other.
fn with_url(body: &Bytes, replaced: impl FnOnce(&str) -> Option<String>) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct MediaObject<'a> {
        #[serde(borrow)]
        url: &'a RawValue,
    }
    let object: MediaObject<'_> = serde_json::from_slice(body).ok()?;
    let url = replaced(&serde_json::from_str::<String>(object.url.get()).ok()?)?;
    json_answer::replaced(body, &[(object.url, url)])
}

/// Fetches a media object by the gateway's own URL. The signature in it is the key.
pub async fn handle<B>(service: &SendService, segment: &str, request: Request<B>) -> StreamedReply {
    let (head, _) = request.into_parts();
    let result = fetch(service, segment, &head).await;
    finished(service, &head.headers, result)
}

async fn fetch(
    service: &SendService,
    segment: &str,
    head: &Parts,
) -> Result<Response<StreamBody>, Rejected> {
    let invalid =
        |details: &dyn std::fmt::Display| Rejected::new(RejectionKind::MediaUrlInvalid, details);
    let services = &service.services;
    let url = MediaUrl::read(segment, services.catalog.hasher(), services.clock.now_ms())
        .map_err(|error| invalid(&error))?;
    let gone = || invalid(&"the account or channel of this media URL is gone");
    let snapshot = services.catalog.account(&url.account).await;
    let snapshot = snapshot.map_err(|fault| Rejected::ledger_fault(&fault))?.ok_or_else(gone)?;
    // A token for another provider is never shown to Meta.
    if !snapshot.channels.get(&url.channel).is_some_and(|found| found.settings.is_graph_shaped()) {
        return Err(gone());
    }
    let found = on_media_host(&url.target, &service.options.media.hosts);
    let Some((base, path)) =
        found.filter(|_| service.options.pass_through.contains(&Allowed::Media))
    else {
        let details = "the operator does not let media be fetched from that host";
        return Err(Rejected::new(RejectionKind::PathNotAllowed, details));
    };
    let token = target(service, &snapshot, &url.channel)?.token;
    let request = PassThrough {
        base: &base,
        token: &token,
        method: head.method.clone(),
        path_and_query: &path,
        headers: &head.headers,
    };
    let mut answer = stream(service, request, Empty::<Bytes>::new()).await?;
    // A client that followed it would show its key to another host.
    if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return Err(Rejected::no_answer("redirected"));
    }
    answer.headers_mut().remove(header::SET_COOKIE);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::with_url;
    use bytes::Bytes;

    #[test]
    fn the_url_alone_is_replaced() {
        for (body, expected) in [
            (r#"{"url":"https:\/\/a\/b","id":"1"}"#, Some(r#"{"url":"<https://a/b>","id":"1"}"#)),
            (
                "{ \"id\" : \"url\",\n \"x\":{\"url\":\"y\"}, \"url\" : \"z\" }",
                Some("{ \"id\" : \"url\",\n \"x\":{\"url\":\"y\"}, \"url\" : \"<z>\" }"),
            ),
            (r#"{"id":"1"}"#, None),
            (r#"{"url":7}"#, None),
            (r#"{"url":null}"#, None),
            (r#"{"url":"a","url":"b"}"#, None),
            (r#"[{"url":"a"}]"#, None),
            (r#"{"url":"a""#, None),
            ("", None),
        ] {
            let found = with_url(&Bytes::from(body), |url| Some(format!("<{url}>")));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{body}");
        }
        assert_eq!(with_url(&Bytes::from_static(br#"{"url":"a"}"#), |_| None), None);
    }
}
