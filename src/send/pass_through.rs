//! Graph paths that are not sends: passed on, streamed, with the channel's token, only if the
//! operator allows the kind and the ids are the account's.

use std::borrow::Cow;

use http::header;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::authenticate::{self, Sender};
use super::forward::target;
use super::media;
use super::paging;
use super::parameters::dangerous;
use super::profile_body;
use super::rejected::Rejected;
use super::service::SendService;
use super::streamed::{StreamedReply, finished, stream};
use crate::catalog::Snapshot;
use crate::http::credentials;
use crate::http::route::GraphPath;
use crate::ids::ChannelId;
use crate::rejection::RejectionKind;
use crate::upstream::body::StreamBody;
use crate::upstream::pass_through::Allowed;
use crate::upstream::streaming::PassThrough;
use crate::upstream::target::Target;

/// What the path of a passed-through request names.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The campaign of the path's prefix, which has no meaning here and must be valid all the same.
    pub campaign: Option<&'a str>,
    /// The kind of request.
    pub kind: GraphPath,
    /// The id in the path.
    pub id: &'a str,
    /// The path at Meta.
    pub path: &'a str,
}

/// Carries one request that costs nothing.
pub async fn handle(
    service: &SendService,
    asked: Asked<'_>,
    request: Request<Incoming>,
) -> StreamedReply {
    let (head, body) = request.into_parts();
    let result = process(service, asked, &head, body).await;
    finished(service, &head.headers, result)
}

/// The stages of a passed-through request.
async fn process(
    service: &SendService,
    asked: Asked<'_>,
    head: &Parts,
    body: Incoming,
) -> Result<Response<StreamBody>, Rejected> {
    let query = credentials::query_without_key(head.uri.query());
    let query = query.as_deref().unwrap_or_default();
    if let Some(name) = dangerous(query) {
        return Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            format!("the query parameter {name} is not passed on"),
        ));
    }
    let Sender { snapshot, key, campaign } = authenticate::sender(service, head).await?;
    service.count_request(&snapshot.id, &key)?;
    authenticate::one_campaign(&head.headers, asked.campaign, campaign)?;
    let (allowed, channel) = permitted(service, &snapshot, asked, &head.method, query).await?;
    let Target { base, token } = target(service, &snapshot, &channel)?;
    let path = asked.path;
    let path_and_query = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut headers = Cow::Borrowed(&head.headers);
    let rewrites = Rewrites::of(allowed, asked.kind, &head.method);
    if rewrites != Rewrites::Nothing {
        // The answer must be readable here.
        headers.to_mut().remove(header::ACCEPT_ENCODING);
    }
    let base_here = match rewrites {
        Rewrites::Nothing => String::new(),
        _ => media::public_base(&service.options.media, head)?,
    };
    let request = PassThrough {
        base: &base,
        token: &token,
        method: head.method.clone(),
        path_and_query: &path_and_query,
        headers: &headers,
    };
    let mut room = service.body_memory.room();
    let answer = if asked.kind == GraphPath::BusinessProfile && head.method == Method::POST {
        let body = profile_body::read(service, &head.headers, body, &mut room).await?;
        stream(service, request, Full::new(body)).await?
    } else {
        stream(service, request, body).await?
    };
    match rewrites {
        Rewrites::Nothing => Ok(answer),
        Rewrites::MediaUrl => {
            let account = &snapshot.id;
            media::rewritten(service, account, &channel, &base_here, answer, &mut room).await
        }
        Rewrites::Links => paging::rewritten(&base_here, path, answer, &mut room).await,
    }
}

/// What in an answer leads to Meta and must lead to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rewrites {
    Nothing,
    /// The URL of a media object.
    MediaUrl,
    /// The links to further pages of a list.
    Links,
}

impl Rewrites {
    fn of(allowed: Allowed, kind: GraphPath, method: &Method) -> Rewrites {
        match (allowed, kind) {
            (Allowed::Media, GraphPath::Node) if method == Method::GET => Rewrites::MediaUrl,
            (Allowed::Templates, _) => Rewrites::Links,
            _ => Rewrites::Nothing,
        }
    }
}

/// Which kind it is, and the channel with whose token it goes, if ids and kind are permitted.
async fn permitted(
    service: &SendService,
    snapshot: &Snapshot,
    asked: Asked<'_>,
    method: &Method,
    query: &str,
) -> Result<(Allowed, ChannelId), Rejected> {
    let Asked { kind, id, .. } = asked;
    let (allowed, channel) = owner(snapshot, kind, id, method, query)?;
    if kind == GraphPath::Node
        && channel.as_str() != id
        && service
            .services
            .catalog
            .is_channel(id)
            .await
            .map_err(|fault| Rejected::ledger_fault(&fault))?
    {
        // Another account's number; with a token that both share, Meta would not mind.
        return Err(Rejected::new(
            RejectionKind::ChannelUnknown,
            "this key's account has no channel or WABA with that id",
        ));
    }
    if !snapshot.channels.get(&channel).is_some_and(|found| found.settings.is_graph_shaped()) {
        return Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            "the upstream of this channel takes nothing but messages",
        ));
    }
    if !service.options.pass_through.contains(&allowed) {
        return Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            "the operator does not pass this kind of path on",
        ));
    }
    Ok((allowed, channel))
}

/// Which kind it is for the operator, and the channel of the account whose token it goes with.
fn owner(
    snapshot: &Snapshot,
    kind: GraphPath,
    id: &str,
    method: &Method,
    query: &str,
) -> Result<(Allowed, ChannelId), Rejected> {
    let unknown = || {
        Rejected::new(
            RejectionKind::ChannelUnknown,
            "this key's account has no channel or WABA with that id",
        )
    };
    let own = |id: &str| {
        id.parse::<ChannelId>().ok().filter(|channel| snapshot.channels.contains_key(channel))
    };
    match kind {
        GraphPath::MediaUpload => Ok((Allowed::Media, own(id).ok_or_else(unknown)?)),
        GraphPath::BusinessProfile => Ok((Allowed::BusinessProfile, own(id).ok_or_else(unknown)?)),
        GraphPath::Templates => {
            let of_waba = |(_, channel): &(&ChannelId, &crate::catalog::Channel)| {
                let settings = &channel.settings;
                settings.waba.as_ref().is_some_and(|waba| waba.as_str() == id)
                    && settings.is_graph_shaped()
            };
            let (channel, _) = snapshot.channels.iter().find(of_waba).ok_or_else(unknown)?;
            Ok((Allowed::Templates, channel.clone()))
        }
        GraphPath::Node => match own(id) {
            Some(channel) if method == Method::GET => Ok((Allowed::PhoneNumber, channel)),
            Some(_) => Err(Rejected::new(
                RejectionKind::PathNotAllowed,
                "a phone number is read here, not deleted",
            )),
            None => media_owner(snapshot, query).map(|channel| (Allowed::Media, channel)),
        },
    }
}

/// A media id does not name its channel: the channel is the one the query names, or the account's
/// only one. Meta checks the token. No other parameter is passed on, so that no other node can be
/// read with fields.
fn media_owner(snapshot: &Snapshot, query: &str) -> Result<ChannelId, Rejected> {
    let unknown = |details: &str| Rejected::new(RejectionKind::ChannelUnknown, details);
    let mut named = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("phone_number_id", number)) if named.is_none() => named = Some(number),
            _ => {
                return Err(Rejected::new(
                    RejectionKind::PathNotAllowed,
                    "reading a media object takes no parameter but phone_number_id",
                ));
            }
        }
    }
    match named {
        Some(number) => number
            .parse::<ChannelId>()
            .ok()
            .filter(|channel| snapshot.channels.contains_key(channel))
            .ok_or_else(|| unknown("this key's account has no channel with that phone number ID")),
        None if snapshot.channels.len() == 1 => {
            snapshot.channels.keys().next().cloned().ok_or_else(|| unknown("no channel"))
        }
        None => Err(unknown("the account has several channels; name one with phone_number_id")),
    }
}
