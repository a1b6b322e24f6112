//! Graph paths that are not sends: passed on with the channel's token, only if the operator allows
//! the kind and the ids are the account's. No body passes unread, and no answer but a download.

use std::fmt::Display;

use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::authenticate::{self, Sender};
use super::forward::target;
use super::json_answer::{Answer, unreadable};
use super::media;
use super::media_object;
use super::paging::{self, Links};
use super::parameters;
use super::profile_body;
use super::question::{Found, Question};
use super::rejected::Rejected;
use super::service::SendService;
use super::streamed::{StreamedReply, finished};
use super::taken::taken;
use super::upload;
use crate::catalog::Snapshot;
use crate::http::body::{BodyError, BodyRoom, read_body};
use crate::http::credentials;
use crate::http::route::GraphPath;
use crate::ids::ChannelId;
use crate::rejection::RejectionKind;
use crate::upstream::body::StreamBody;
use crate::upstream::headers::misplaced;
use crate::upstream::pass_through::{Allowed, Passing};
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
    if let Some(name) = misplaced(&head.headers) {
        let details = format!("the Connection header names {name}, which is about the request");
        return Err(Rejected::new(RejectionKind::Malformed, details));
    }
    let query = credentials::query_without_key(head.uri.query());
    let query = query.as_deref().unwrap_or_default();
    parameters::check(query)?;
    let Sender { snapshot, key, campaign } = authenticate::sender(service, head).await?;
    service.count_request(&snapshot.id, &key)?;
    authenticate::one_campaign(&head.headers, asked.campaign, campaign)?;
    let (allowed, channels) = permitted(service, &snapshot, asked, &head.method, query).await?;
    let permit = service.pass_permit(&snapshot.id)?;
    let (method, path, headers) = (&head.method, asked.path, &head.headers);
    let question = Question { service, method, path, query, headers };
    let mut room = service.passing_memory.room(&snapshot.id);
    let of_media = allowed == Allowed::Media && asked.kind == GraphPath::Node;
    let mut found = if of_media {
        no_body(service, body).await?;
        question.media_object(&snapshot, channels, &mut room).await?
    } else {
        let channel = channels.into_iter().next().ok_or_else(unknown_id)?;
        let target = target(service, &snapshot, &channel)?;
        let answer = carry(asked.kind, &question, &target, body, &mut room).await?;
        Found { channel, target, answer }
    };
    if method == Method::GET && found.answer.is_success() {
        let base = media::public_base(&service.options.media, head)?;
        let changed = if of_media {
            media::with_own_url(service, &snapshot.id, &found, &base)?
        } else {
            let links = Links { base: &base, path, key: credentials::pair(head.uri.query()) };
            paging::with_links(found.answer.body(), links).map_err(|_| unreadable())?
        };
        changed.into_iter().for_each(|body| found.answer.replace(body));
    }
    let Found { channel, target, answer } = found;
    let answer = answer.without(&target.token).map_err(|_| {
        let account = &snapshot.id;
        tracing::error!(%account, %channel, path, "upstream's answer has the channel's token in \
                it; it was not passed back");
        unreadable()
    })?;
    let patience = service.services.upstream.options().stream_idle_timeout;
    Ok(answer.map(|body| taken(body, (permit, service.passing_memory.keep(room)), patience)))
}

/// Carries a request to the upstream of its channel: with a body only if it is one that is read.
async fn carry(
    kind: GraphPath,
    question: &Question<'_>,
    target: &Target,
    body: Incoming,
    room: &mut BodyRoom<'_>,
) -> Result<Answer, Rejected> {
    match kind {
        GraphPath::MediaUpload => upload::carry(question, target, body, room).await,
        GraphPath::BusinessProfile if question.method == Method::POST => {
            let Question { service, headers, .. } = question;
            let (content_type, body) = profile_body::read(service, headers, body, room).await?;
            question.carry(target, Passing::Body(content_type), Full::new(body), room).await
        }
        GraphPath::BusinessProfile | GraphPath::Node | GraphPath::Templates => {
            no_body(question.service, body).await?;
            question.ask(target, room).await
        }
    }
}

/// Refuses a body of a request that has none: it could make another request of this one.
async fn no_body(service: &SendService, body: Incoming) -> Result<(), Rejected> {
    let malformed = |details: &dyn Display| Rejected::new(RejectionKind::Malformed, details);
    match read_body(body, 0, service.options.body_timeout).await {
        Ok(_) => Ok(()),
        Err(BodyError::TooLarge { .. }) => {
            Err(malformed(&"a request of this method has no body here"))
        }
        Err(error @ BodyError::Slow { .. }) => {
            Err(Rejected::new(RejectionKind::RequestTimeout, error))
        }
        Err(error @ BodyError::Disconnected) => {
            Err(Rejected::new(RejectionKind::ClientGone, error))
        }
        Err(error @ (BodyError::Malformed | BodyError::NoRoom)) => Err(malformed(&error)),
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
            let of_waba =
                |(_, channel): &(&ChannelId, &std::sync::Arc<crate::catalog::Channel>)| {
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
            None if snapshot.wabas.keys().any(|waba| waba.as_str() == id) => Err(unknown_id()),
            None => media_object::channels(snapshot, query).map(|found| (Allowed::Media, found)),
        },
    }
}
