//! Authenticate: the gateway key names the account, the path names one of its channels, and both
//! must belong together.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use super::context::SendContext;
use super::log::SendLog;
use super::rejected::Rejected;
use super::route::SendRoute;
use super::service::SendService;
use crate::catalog::documents::Scope;
use crate::catalog::{AuthError, Channel, Principal, Snapshot};
use crate::http::credentials::{self, CredentialsError};
use crate::http::peer::client_network;
use crate::ids::{CampaignId, ChannelId, KeyId};
use crate::rejection::RejectionKind;

/// Header that names the campaign.
const CAMPAIGN_HEADER: &str = "tollgate-campaign";

/// The same send under the ledger's settings of now, which changed since it was authenticated: the
/// key may be gone, the channel disabled.
pub async fn reload(
    service: &SendService,
    head: &Parts,
    route: &SendRoute,
    context: &SendContext,
    log: &mut SendLog,
) -> Result<SendContext, Rejected> {
    service
        .services
        .catalog
        .reload(&context.snapshot.id)
        .await
        .map_err(|fault| Rejected::ledger_fault(&fault))?;
    let sender = sender(service, head).await?;
    context_of(sender, head, route, log)
}

/// The context of a send with a key of the scope `send` and a channel of its account.
pub async fn authenticate(
    service: &SendService,
    head: &Parts,
    route: &SendRoute,
    log: &mut SendLog,
) -> Result<SendContext, Rejected> {
    let sender = sender(service, head).await?;
    let counted = service.count_request(&sender.snapshot.id, &sender.key);
    let context = context_of(sender, head, route, log);
    counted.and(context)
}

/// The campaign is read before anything is refused, so that what is refused counts on it.
fn context_of(
    sender: Sender,
    head: &Parts,
    route: &SendRoute,
    log: &mut SendLog,
) -> Result<SendContext, Rejected> {
    let Sender { snapshot, campaign, .. } = sender;
    let campaign = one_campaign(&head.headers, route.campaign.as_deref(), campaign)?;
    log.authenticated(&snapshot, campaign.as_ref());
    let channel_id = route.channel_id.parse::<ChannelId>().map_err(|_| unknown_channel())?;
    let channel = enabled(&snapshot, &channel_id)?.clone();
    Ok(SendContext { snapshot, channel_id, channel, campaign })
}

/// Whose key a request has.
pub struct Sender {
    /// The account's settings.
    pub snapshot: Arc<Snapshot>,
    /// The key, by its id.
    pub key: KeyId,
    /// The key's own campaign.
    pub campaign: Option<CampaignId>,
}

/// The account of a key with the `send` scope.
pub async fn sender(service: &SendService, head: &Parts) -> Result<Sender, Rejected> {
    let key = credentials::key(&head.headers, head.uri.query()).map_err(|error| match error {
        CredentialsError::Ambiguous => Rejected::new(RejectionKind::Malformed, error),
        _ => Rejected::unauthorized(error),
    })?;
    let client = client_network(&head.extensions, &head.headers);
    let principal =
        service.services.catalog.authenticate(&key, client).await.map_err(|error| match error {
            AuthError::Unknown => Rejected::unauthorized("unknown or revoked key"),
            AuthError::TooManyFailures(wait) => {
                let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
                Rejected::unauthorized(
                    "too many unknown keys come from this address; for a while only keys known to \
                     be good are taken from it",
                )
                .retry_after(seconds)
            }
            AuthError::Ledger(fault) => Rejected::ledger_fault(&fault),
        })?;
    match principal {
        Principal::Account { snapshot, key, scopes, campaign } if scopes.contains(&Scope::Send) => {
            Ok(Sender { snapshot, key, campaign })
        }
        Principal::Account { .. } => {
            Err(Rejected::unauthorized("this key may not send; it lacks the scope `send`"))
        }
        Principal::Operator => Err(Rejected::unauthorized(
            "an operator key manages accounts; sending needs a key of the account",
        )),
    }
}

/// The same rejection for a channel that does not exist and for another account's, so that nobody
/// can find out which it is.
fn unknown_channel() -> Rejected {
    Rejected::new(
        RejectionKind::ChannelUnknown,
        "this key's account has no channel with that phone number ID",
    )
}

fn enabled<'s>(
    snapshot: &'s Snapshot,
    channel_id: &ChannelId,
) -> Result<&'s Arc<Channel>, Rejected> {
    let channel = snapshot.channels.get(channel_id).ok_or_else(unknown_channel)?;
    if channel.settings.enabled {
        Ok(channel)
    } else {
        Err(Rejected::new(
            RejectionKind::ChannelDisabled,
            "this channel is switched off; enable it to send",
        ))
    }
}

/// The one campaign that header, path and key name, if any does.
pub fn one_campaign(
    headers: &HeaderMap,
    path: Option<&str>,
    key: Option<CampaignId>,
) -> Result<Option<CampaignId>, Rejected> {
    let malformed = |details: String| Rejected::new(RejectionKind::Malformed, details);
    let read = |text: &str| {
        text.parse::<CampaignId>()
            .map_err(|error| malformed(format!("the campaign is not an id: {error}")))
    };
    let mut named = key;
    let in_header =
        headers.get_all(CAMPAIGN_HEADER).iter().map(|value| value.to_str().unwrap_or("\u{fffd}"));
    for text in in_header.chain(path) {
        let campaign = read(text)?;
        match &named {
            Some(other) if *other != campaign => {
                return Err(malformed(format!(
                    "the send names two campaigns, {other} and {campaign}; header, path and key \
                     must agree"
                )));
            }
            _ => named = Some(campaign),
        }
    }
    Ok(named)
}
