//! Media in two steps: the URL in the answer about a media object becomes one of the gateway's, and
//! fetching that streams the object from Meta's host with the channel's token.

use bytes::Bytes;
use http::header;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;

use super::forward::target;
use super::json_answer::{self, unreadable};
use super::media_object;
use super::media_url::MediaUrl;
use super::question::Found;
use super::rejected::Rejected;
use super::service::{MediaOptions, SendService};
use super::streamed::{StreamedReply, finished, stream};
use super::taken::taken;
use crate::ids::AccountId;
use crate::rejection::RejectionKind;
use crate::upstream::body::StreamBody;
use crate::upstream::leak::carries;
use crate::upstream::media_hosts::on_media_host;
use crate::upstream::pass_through::{Allowed, Passing};
use crate::upstream::streaming::PassThrough;

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

/// The answer about a media object, in which `url` leads to the gateway.
///
/// # Errors
/// The answer cannot be read, or its URL is on no host of media.
pub fn with_own_url(
    service: &SendService,
    account: &AccountId,
    found: &Found,
    base: &str,
) -> Result<Option<Bytes>, Rejected> {
    let Found { channel, target, answer } = found;
    let (raw, url) = media_object::url(answer.body())?;
    let media = &service.options.media;
    if on_media_host(&url, &media.hosts).is_none() {
        let uri = url.parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(http::Uri::authority).map(http::uri::Authority::as_str);
        let host = host.filter(|host| !host.contains('@')).unwrap_or("(none)");
        tracing::warn!(%account, %channel, host, "a media URL is on a host that media.hosts does \
                not list, so its media object is not given out");
        return Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            format!(
                "the media object is on the host {host}, which the operator does not list in \
                 media.hosts"
            ),
        ));
    }
    // What is signed could not be searched any more.
    if carries(url.as_bytes(), &target.token) {
        return Err(unreadable());
    }
    let now_ms = service.services.clock.now_ms();
    let url = MediaUrl {
        account: account.clone(),
        channel: channel.clone(),
        target: url,
        expires_ms: now_ms.saturating_add(media.url_lifetime_ms),
    };
    let own = format!("{base}/media/{}", url.sign(service.services.catalog.hasher()));
    json_answer::replaced(answer.body(), &[(raw, own)]).map(Some).ok_or_else(unreadable)
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
    let permit = service.pass_permit(&snapshot.id)?;
    let token = target(service, &snapshot, &url.channel)?.token;
    let request = PassThrough {
        base: &base,
        token: &token,
        method: head.method.clone(),
        path_and_query: &path,
        headers: &head.headers,
        passing: Passing::Download,
    };
    let mut answer = stream(service, request, Empty::<Bytes>::new()).await?;
    // A client that followed it would show its key to another host.
    if answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return Err(Rejected::no_answer("redirected"));
    }
    answer.headers_mut().remove(header::SET_COOKIE);
    let patience = services.upstream.options().stream_idle_timeout;
    Ok(answer.map(|body| taken(body, permit, patience)))
}
