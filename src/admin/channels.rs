//! Channels: sending numbers with their token, their WABA and the wallet that pays. A phone number
//! ID belongs to one account at a time.

use std::path::{Component, Path};

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Existing, Made};
use crate::catalog::Snapshot;
use crate::catalog::documents::ChannelSettings;
use crate::ids::{AccountId, ChannelId};
use crate::ledger::{ClaimKind, DocumentKind};
use crate::upstream::target::BaseUrl;

/// Messages per second of one channel at most; Meta allows 1,000.
const MAX_THROUGHPUT: u32 = 1_000;

/// A channel as answers show it.
#[derive(Serialize)]
struct ChannelView<'a> {
    phone_number_id: &'a ChannelId,
    #[serde(flatten)]
    settings: &'a ChannelSettings,
}

/// Sets up a channel of an account that exists.
///
/// # Errors
/// Every mistake in the settings at once; a phone number ID that belongs to another account; a
/// ledger that does not answer.
pub async fn put(
    admin: &Admin,
    account: &AccountId,
    id: &ChannelId,
    settings: &ChannelSettings,
    existing: Existing,
) -> Result<Made, Problem> {
    let snapshot = admin.snapshot(account).await?;
    let known = snapshot.channels.contains_key(id);
    if known && existing == Existing::Keep {
        return Ok(Made::Present);
    }
    look_over(admin, &snapshot, settings).await?;
    let holder =
        admin.services.claims.claim(ClaimKind::Channel, id.as_str(), account.as_str()).await?;
    if holder != account.as_str() {
        return Err(Problem::new(
            &problem::CLAIMED,
            format!(
                "phone number ID {id} belongs to another account; it must be deleted there first"
            ),
        ));
    }
    admin.put_document(account, DocumentKind::Channel, id.as_str(), settings, existing).await?;
    Ok(if known { Made::Present } else { Made::New })
}

async fn look_over(
    admin: &Admin,
    snapshot: &Snapshot,
    settings: &ChannelSettings,
) -> Result<(), Problem> {
    let mut mistakes = Mistakes::default();
    let wallets = admin.services.reads.wallets(&snapshot.id).await?;
    let wallet = &settings.wallet;
    mistakes.expect(
        wallets.iter().any(|known| known.id == *wallet),
        "wallet",
        format!("the account has no wallet {wallet}"),
    );
    if let Some(waba) = &settings.waba {
        mistakes.expect(
            snapshot.wabas.contains_key(waba),
            "waba",
            format!("the account has no WABA {waba}"),
        );
    }
    match (&settings.token_env, &settings.token_file) {
        (None, None) => {
            mistakes.add("token_env", "name the channel's Meta token by token_env or token_file")
        }
        (Some(_), Some(_)) => mistakes.add("token_file", "give token_env or token_file, not both"),
        (Some(variable), None) => {
            // The value is not repeated: people paste the token itself here.
            mistakes.expect(
                admin.services.tokens.allows(variable),
                "token_env",
                "`secrets.env` does not allow a variable of this name",
            );
        }
        (None, Some(file)) => {
            let plain = !file.is_empty()
                && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
            mistakes.expect(plain, "token_file", "it is a plain path below `secrets.dir`");
        }
    }
    let throughput = (1..=MAX_THROUGHPUT).contains(&settings.throughput_limit);
    mistakes.expect(
        throughput,
        "throughput_limit",
        format!("it is 1 to {MAX_THROUGHPUT} messages per second"),
    );
    if let Some(Err(error)) = settings.upstream_url.as_deref().map(str::parse::<BaseUrl>) {
        mistakes.add("upstream_url", error.to_string());
    }
    mistakes.check()
}

pub(super) async fn put_call(call: &Call) -> Result<Response<Body>, Problem> {
    let text = call.part("phone_number_id");
    let id: ChannelId = text.parse().map_err(|error: crate::ids::IdError| {
        Problem::field("phone_number_id", error.to_string())
    })?;
    let settings: ChannelSettings = call.json()?;
    let _held = call.admin.settings.hold().await;
    let made = put(&call.admin, &call.account()?.id, &id, &settings, Existing::Replace).await?;
    call::made(made == Made::New, &ChannelView { phone_number_id: &id, settings: &settings })
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    let page =
        call::page_of(snapshot.channels.keys(), &call.page::<ChannelId>()?, ChannelId::as_str);
    let views: Vec<_> = page
        .items
        .into_iter()
        .filter_map(|id| {
            Some(ChannelView {
                phone_number_id: id,
                settings: &snapshot.channels.get(id)?.settings,
            })
        })
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: ChannelId = call.id("phone_number_id", "channel")?;
    let channel =
        call.account()?.channels.get(&id).ok_or_else(|| Problem::unknown("channel", &id))?;
    call::ok(&ChannelView { phone_number_id: &id, settings: &channel.settings })
}

pub(super) async fn delete(call: &Call) -> Result<Response<Body>, Problem> {
    let id: ChannelId = call.id("phone_number_id", "channel")?;
    let account = &call.account()?.id;
    let _held = call.admin.settings.hold().await;
    let deleted = call.admin.delete_document(account, DocumentKind::Channel, id.as_str()).await?;
    // Also where the document was gone: a first try may have ended between the two.
    call.admin.services.claims.unclaim(ClaimKind::Channel, id.as_str(), account.as_str()).await?;
    if deleted { call::done() } else { Err(Problem::unknown("channel", &id)) }
}
