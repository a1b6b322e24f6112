//! Graph paths that are not sends: passed on, streamed, with the channel's token, only if the
//! operator allows the kind and the ids are the account's.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;

use super::authenticate::{self, Sender};
use super::forward::target;
use super::media;
use super::paging::{self, Links};
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

/// With how many different tokens a media object is read if its channel is not named.
const MOST_TOKENS: usize = 8;

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
    let (allowed, channels) = permitted(service, &snapshot, asked, &head.method, query).await?;
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
    let question =
        Question { method: &head.method, path_and_query: &path_and_query, headers: &headers };
    let mut room = service.body_memory.room(&snapshot.id);
    let (channel, answer) = if asked.kind == GraphPath::Node {
        question.ask_in_turn(service, &snapshot, channels).await?
    } else {
        let channel = channels.into_iter().next().ok_or_else(unknown_id)?;
        let target = target(service, &snapshot, &channel)?;
        let request = question.to(&target);
        let writes_profile =
            asked.kind == GraphPath::BusinessProfile && head.method == Method::POST;
        let answer = if writes_profile {
            let body = profile_body::read(service, &head.headers, body, &mut room).await?;
            stream(service, request, Full::new(body)).await?
        } else {
            stream(service, request, body).await?
        };
        (channel, answer)
    };
    match rewrites {
        Rewrites::Nothing => Ok(answer),
        Rewrites::MediaUrl => {
            let account = &snapshot.id;
            media::rewritten(service, account, &channel, &base_here, answer, &mut room).await
        }
        Rewrites::Links => {
            let links = Links { base: &base_here, path, key: credentials::pair(head.uri.query()) };
            paging::rewritten(links, answer, &mut room).await
        }
    }
}

/// A request as it goes to any upstream.
struct Question<'a> {
    method: &'a Method,
    path_and_query: &'a str,
    headers: &'a HeaderMap,
}

impl Question<'_> {
    fn to<'a>(&'a self, target: &'a Target) -> PassThrough<'a> {
        PassThrough {
            base: &target.base,
            token: &target.token,
            method: self.method.clone(),
            path_and_query: self.path_and_query,
            headers: self.headers,
        }
    }

    /// Asks without a body with one channel's token after the other's until one is right. If none
    /// is, the first answer is as good as any.
    async fn ask_in_turn(
        &self,
        service: &SendService,
        snapshot: &Snapshot,
        channels: Vec<ChannelId>,
    ) -> Result<(ChannelId, Response<StreamBody>), Rejected> {
        let mut first = None;
        for channel in channels {
            let answer = match target(service, snapshot, &channel) {
                Ok(target) => stream(service, self.to(&target), Empty::<Bytes>::new()).await,
                Err(rejected) => Err(rejected),
            };
            let found = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
            let answer = answer.map(|answer| (channel, answer));
            if found {
                return answer;
            }
            first.get_or_insert(answer);
        }
        first.unwrap_or_else(|| Err(unknown_id()))
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

/// Which kind it is, and the channels with whose tokens it may go, if ids and kind are permitted.
async fn permitted(
    service: &SendService,
    snapshot: &Snapshot,
    asked: Asked<'_>,
    method: &Method,
    query: &str,
) -> Result<(Allowed, Vec<ChannelId>), Rejected> {
    let Asked { kind, id, .. } = asked;
    let (allowed, channels) = owner(snapshot, kind, id, method, query)?;
    if allowed == Allowed::Media
        && kind == GraphPath::Node
        && service
            .services
            .catalog
            .is_channel(id)
            .await
            .map_err(|fault| Rejected::ledger_fault(&fault))?
    {
        // Another account's number; with a token that both share, Meta would not mind.
        return Err(unknown_id());
    }
    let shaped = |channel: &ChannelId| {
        snapshot.channels.get(channel).is_some_and(|found| found.settings.is_graph_shaped())
    };
    if !channels.iter().all(shaped) {
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
    Ok((allowed, channels))
}

fn unknown_id() -> Rejected {
    let details = "this key's account has no channel or WABA with that id";
    Rejected::new(RejectionKind::ChannelUnknown, details)
}

/// Which kind it is for the operator, and the channels of the account whose tokens it may go with:
/// one, but for a media object whose channel is not named.
fn owner(
    snapshot: &Snapshot,
    kind: GraphPath,
    id: &str,
    method: &Method,
    query: &str,
) -> Result<(Allowed, Vec<ChannelId>), Rejected> {
    let own = |id: &str| {
        id.parse::<ChannelId>().ok().filter(|channel| snapshot.channels.contains_key(channel))
    };
    let one = |allowed, channel: Option<ChannelId>| {
        channel.map(|channel| (allowed, vec![channel])).ok_or_else(unknown_id)
    };
    match kind {
        GraphPath::MediaUpload => one(Allowed::Media, own(id)),
        GraphPath::BusinessProfile => one(Allowed::BusinessProfile, own(id)),
        GraphPath::Templates => {
            let of_waba = |(_, channel): &(&ChannelId, &crate::catalog::Channel)| {
                let settings = &channel.settings;
                settings.waba.as_ref().is_some_and(|waba| waba.as_str() == id)
                    && settings.is_graph_shaped()
            };
            let channel = snapshot.channels.iter().find(of_waba);
            one(Allowed::Templates, channel.map(|(channel, _)| channel.clone()))
        }
        GraphPath::Node => match own(id) {
            Some(channel) if method == Method::GET => one(Allowed::PhoneNumber, Some(channel)),
            Some(_) => Err(Rejected::new(
                RejectionKind::PathNotAllowed,
                "a phone number is read here, not deleted",
            )),
            None => media_owners(snapshot, query).map(|channels| (Allowed::Media, channels)),
        },
    }
}

/// A media id does not name its channel: the channel is the one the query names, else any of the
/// account's may be; Meta checks the token. No other parameter is passed on, so that no other node
/// can be read with fields.
fn media_owners(snapshot: &Snapshot, query: &str) -> Result<Vec<ChannelId>, Rejected> {
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
    if let Some(number) = named {
        let known = |channel: &ChannelId| snapshot.channels.contains_key(channel);
        return number
            .parse()
            .ok()
            .filter(known)
            .map(|channel| vec![channel])
            .ok_or_else(|| unknown("this key's account has no channel with that phone number ID"));
    }
    let mut channels: Vec<_> = snapshot.channels.iter().collect();
    // Those that send come first: one that is switched off may have no token any more.
    channels.sort_by_key(|(id, channel)| (!channel.settings.enabled, *id));
    let mut tokens = HashSet::new();
    channels.retain(|(_, channel)| {
        let settings = &channel.settings;
        let token = (&settings.upstream_url, &settings.token_env, &settings.token_file);
        settings.is_graph_shaped() && tokens.insert(token)
    });
    match channels.len() {
        0 => Err(unknown("the account has no channel whose upstream has media")),
        1..=MOST_TOKENS => Ok(channels.into_iter().map(|(id, _)| id.clone()).collect()),
        more => Err(unknown(&format!(
            "the account's channels have {more} different tokens; name the channel with \
             phone_number_id"
        ))),
    }
}
