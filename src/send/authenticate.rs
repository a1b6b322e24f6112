//! Authenticate: the gateway key names the account, the path names one of its channels, and both
//! must belong together.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use super::rejection::Rejected;
use super::{SendRoute, SendWay};
use crate::catalog::documents::Scope;
use crate::catalog::{Channel, Locked, Principal, Snapshot};
use crate::http::bearer::bearer;
use crate::ids::{CampaignId, ChannelId};

/// Header that names the campaign.
const CAMPAIGN_HEADER: &str = "tollgate-campaign";

/// Who sends, over which channel, for which campaign; the settings are those of one moment.
pub struct Caller {
    /// The account's settings.
    pub snapshot: Arc<Snapshot>,
    /// The sending number, which is one of the snapshot's channels.
    pub number: ChannelId,
    /// The campaign of the header, the path or the key.
    pub campaign: Option<CampaignId>,
}

impl Caller {
    /// The channel's settings.
    pub fn channel(&self) -> &Channel {
        #[expect(
            clippy::expect_used,
            reason = "a caller is only made for a channel that is in its snapshot, and a snapshot never changes"
        )]
        self.snapshot.channels.get(&self.number).expect("the channel was found before")
    }
}

/// The same call under the ledger's settings of now, which changed since it was authenticated: the
/// key may be gone, the channel disabled.
pub async fn again(
    way: &SendWay,
    head: &Parts,
    route: &SendRoute,
    caller: &Caller,
) -> Result<Caller, Rejected> {
    way.services
        .catalog
        .reload(&caller.snapshot.id)
        .await
        .map_err(|fault| Rejected::ledger_fault(&fault))?;
    authenticate(way, &head.headers, &route.number, route.campaign.as_deref()).await
}

/// Opens the way for a key with the `send` scope and a channel of its account.
pub async fn authenticate(
    way: &SendWay,
    headers: &HeaderMap,
    number: &str,
    path_campaign: Option<&str>,
) -> Result<Caller, Rejected> {
    let (snapshot, key_campaign) = account_of(way, headers).await?;
    let number = number.parse::<ChannelId>().map_err(|_| unknown_channel())?;
    usable(&snapshot, &number)?;
    let campaign = one_campaign(headers, path_campaign, key_campaign)?;
    Ok(Caller { snapshot, number, campaign })
}

/// The account of a key with the `send` scope, and the key's own campaign.
pub async fn account_of(
    way: &SendWay,
    headers: &HeaderMap,
) -> Result<(Arc<Snapshot>, Option<CampaignId>), Rejected> {
    let key = bearer(headers).map_err(|_| {
        Rejected::unauthorized("send your gateway key as `Authorization: Bearer tg_live_...`")
    })?;
    let principal =
        way.services.catalog.authenticate(key).await.map_err(|locked| match locked {
            Locked::Unknown => Rejected::unauthorized(
                "this key opens nothing here; it may be mistyped or taken back",
            ),
            Locked::Ledger(fault) => Rejected::ledger_fault(&fault),
        })?;
    match principal {
        Principal::Account { snapshot, scopes, campaign, .. } if scopes.contains(&Scope::Send) => {
            Ok((snapshot, campaign))
        }
        Principal::Account { .. } => {
            Err(Rejected::unauthorized("this key may not send; it lacks the scope `send`"))
        }
        Principal::Operator => Err(Rejected::unauthorized(
            "an operator key manages accounts; sending needs a key of the account",
        )),
    }
}

/// One answer for a channel that does not exist and for another account's, so that nobody can find
/// out which it is.
fn unknown_channel() -> Rejected {
    Rejected::new("channel_unknown", "this key's account has no channel with that phone number ID")
}

fn usable(snapshot: &Snapshot, number: &ChannelId) -> Result<(), Rejected> {
    let channel = snapshot.channels.get(number).ok_or_else(unknown_channel)?;
    if channel.settings.enabled {
        Ok(())
    } else {
        Err(Rejected::new("channel_disabled", "this channel is switched off; enable it to send"))
    }
}

fn one_campaign(
    headers: &HeaderMap,
    path: Option<&str>,
    key: Option<CampaignId>,
) -> Result<Option<CampaignId>, Rejected> {
    let malformed = |details: String| Rejected::new("malformed", details);
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
                    "the send names two campaigns, {other} and {campaign}; header, path and key must agree"
                )));
            }
            _ => named = Some(campaign),
        }
    }
    Ok(named)
}
