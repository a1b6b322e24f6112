//! Gateway keys: made here, shown once, stored as keyed hashes. A key's hash is claimed across
//! accounts before its document is written.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::call::{self, Call, given};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Existing, Made};
use crate::catalog::KeyText;
use crate::catalog::documents::{Grant, KeySettings, Scope};
use crate::catalog::keys::{ends_with, hex, is_well_formed};
use crate::ids::{AccountId, CampaignId, KeyId};
use crate::ledger::{ClaimKind, DocumentKind, Fingerprint};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default, deserialize_with = "given")]
    id: Option<KeyId>,
    scopes: Vec<Scope>,
    #[serde(default)]
    campaign: Option<CampaignId>,
}

/// A key as answers show it: never the key, nor its hash.
#[derive(Serialize)]
struct KeyView<'a> {
    id: &'a KeyId,
    scopes: &'a [Scope],
    campaign: Option<&'a CampaignId>,
    ends_with: &'a str,
    created: String,
    /// Only where it was just made.
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
            key,
        }
    }
}

/// Gives an account the key `text` under the name `id`. A key of that name stays as it is, even if
/// its text is another.
///
/// # Errors
/// A text that cannot be a key or is another key already, no scope, or a ledger that does not
/// answer.
pub async fn put_key_with_text(
    admin: &Admin,
    account: &AccountId,
    id: &KeyId,
    text: &str,
    grant: &Grant,
) -> Result<Made, Problem> {
    if admin.snapshot(account).await?.keys.contains_key(id) {
        return Ok(Made::Present);
    }
    let mut mistakes = Mistakes::default();
    mistakes.expect(
        is_well_formed(text),
        "key",
        "a key is 16 to 255 visible ASCII characters; one of ours carries its checksum",
    );
    mistakes.expect(
        !grant.scopes.is_empty(),
        "scopes",
        "a key has at least one of send, read and manage",
    );
    let twice = grant
        .scopes
        .iter()
        .enumerate()
        .any(|(at, scope)| grant.scopes.iter().take(at).any(|earlier| earlier == scope));
    mistakes.expect(!twice, "scopes", "a scope stands there twice");
    mistakes.check()?;
    let hash = admin.services.catalog.hasher().key(text);
    claim(admin, &hash, &format!("{account}/{id}")).await?;
    let settings = KeySettings {
        hash: hex(&hash),
        scopes: grant.scopes.clone(),
        campaign: grant.campaign.clone(),
        ends_with: ends_with(text).to_owned(),
        created_ms: admin.services.clock.now_ms(),
    };
    let new = admin
        .put_document(account, DocumentKind::Key, id.as_str(), &settings, Existing::Keep)
        .await?;
    Ok(if new { Made::New } else { Made::Present })
}

async fn claim(admin: &Admin, hash: &Fingerprint, owner: &str) -> Result<(), Problem> {
    let holder = admin.services.claims.claim(ClaimKind::Key, &hex(hash), owner).await?;
    if holder == owner {
        Ok(())
    } else {
        Err(Problem::new(
            &problem::CLAIMED,
            "this key is already another key's; keys are not shared",
        ))
    }
}

fn fresh() -> Result<KeyText, Problem> {
    KeyText::fresh()
        .map_err(|error| Problem::internal("the system gave no randomness for a key", &error))
}

pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let body: NewKey = call.json()?;
    let account = &call.account()?.id;
    let key = fresh()?;
    let id = body.id.map_or_else(|| format!("k-{}", uuid::Uuid::new_v4().simple()).parse(), Ok);
    let id: KeyId = id.map_err(|error| Problem::internal("a key's own id is none", &error))?;
    let grant = Grant { scopes: body.scopes, campaign: body.campaign };
    let _held = call.admin.settings.hold().await;
    if put_key_with_text(&call.admin, account, &id, key.as_str(), &grant).await? == Made::Present {
        return Err(Problem::new(
            &problem::EXISTS,
            format!("the account has a key {id}; delete it first or choose another id"),
        ));
    }
    let snapshot = call.admin.snapshot(account).await?;
    let settings = snapshot.keys.get(&id).ok_or_else(|| Problem::unknown("key", &id))?;
    call::json(StatusCode::CREATED, &KeyView::new(&id, settings, Some(key.as_str())))
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
    let account = &call.account()?.id;
    let _held = call.admin.settings.hold().await;
    let snapshot = call.admin.snapshot(account).await?;
    let settings = snapshot.keys.get(&id).ok_or_else(|| Problem::unknown("key", &id))?;
    // The document goes first: without it the key opens nothing, even if its hash stays claimed.
    call.admin.delete_document(account, DocumentKind::Key, id.as_str()).await?;
    call.admin
        .services
        .claims
        .unclaim(ClaimKind::Key, &settings.hash, &format!("{account}/{id}"))
        .await?;
    if let Some(hash) = unhex(&settings.hash) {
        call.admin.services.catalog.forget_key(&hash);
    }
    call::done()
}

/// The bytes of a stored hash.
fn unhex(text: &str) -> Option<Fingerprint> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
