//! Gateway keys: made here, shown once, stored as keyed hashes.

use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::catalog::documents::{Grant, KeySettings, Scope};
use crate::control::given;
use crate::control::key::{self, MadeKey};
use crate::ids::{CampaignId, KeyId};

/// The longest time that a key and the one it replaces may both be used: 30 days.
const OVERLAP_MAX_S: u64 = 2_592_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default, deserialize_with = "given")]
    id: Option<KeyId>,
    scopes: Vec<Scope>,
    #[serde(default)]
    campaign: Option<CampaignId>,
}

/// A key as replies show it: never the key, nor its hash.
#[derive(Serialize)]
struct KeyView<'a> {
    id: &'a KeyId,
    scopes: &'a [Scope],
    campaign: Option<&'a CampaignId>,
    ends_with: &'a str,
    created: String,
    /// When it ends, if it was replaced by another.
    expires: Option<String>,
    /// Only if it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> KeyView<'a> {
    fn new(id: &'a KeyId, settings: &'a KeySettings, key: Option<&'a str>) -> KeyView<'a> {
        let created = call::instant(settings.created_ms);
        KeyView {
            id,
            scopes: &settings.scopes,
            campaign: settings.campaign.as_ref(),
            ends_with: &settings.ends_with,
            created,
            expires: settings.expires_ms.map(call::instant),
            key,
        }
    }
}

pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let NewKey { id, scopes, campaign } = call.json()?;
    let grant = Grant { scopes, campaign };
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let MadeKey { id, text, settings } = key::make(control, principal, account, id, &grant).await?;
    call::json(StatusCode::CREATED, &KeyView::new(&id, &settings, Some(text.as_str())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default = "a_day")]
    overlap_s: u64,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { overlap_s: a_day() }
    }
}

fn a_day() -> u64 {
    86_400
}

/// A new key, and the one it takes the place of.
#[derive(Serialize)]
struct RotatedView<'a> {
    #[serde(flatten)]
    made: KeyView<'a>,
    replaces: KeyView<'a>,
}

pub(super) async fn rotate(call: &Call) -> Result<Response<Body>, Problem> {
    let id: KeyId = call.id("key", "key")?;
    let Rotation { overlap_s } = call.json_or_nothing()?;
    if overlap_s > OVERLAP_MAX_S {
        return Err(Problem::field("overlap_s", "it is 0 to 2592000, 30 days".to_owned()));
    }
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let overlap = Duration::from_secs(overlap_s);
    let (made, before) = key::rotate(control, principal, account, &id, overlap).await?;
    let view = RotatedView {
        made: KeyView::new(&made.id, &made.settings, Some(made.text.as_str())),
        replaces: KeyView::new(&id, &before, None),
    };
    call::json(StatusCode::CREATED, &view)
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    let page = call::page_of(snapshot.keys.keys(), &call.page::<KeyId>()?, KeyId::as_str);
    let views: Vec<_> = page
        .items
        .into_iter()
        .filter_map(|id| Some(KeyView::new(id, snapshot.keys.get(id)?, None)))
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn delete(call: &Call) -> Result<Response<Body>, Problem> {
    let id: KeyId = call.id("key", "key")?;
    key::revoke(&call.control, call.principal()?, &call.account()?.id, &id).await?;
    call::done()
}
