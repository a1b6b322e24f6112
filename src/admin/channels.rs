//! Channels: sending numbers with their token, their WABA and the wallet that pays. A phone number
//! ID belongs to one account at a time.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Existing, Made};
use crate::catalog::documents::ChannelSettings;
use crate::catalog::{Snapshot, token_names, validate};
use crate::ids::{AccountId, ChannelId};
use crate::ledger::{ClaimKind, DocumentKind};
use crate::upstream::target::BaseUrl;

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
    let (token_env, token_file) = (settings.token_env.as_deref(), settings.token_file.as_deref());
    for mistake in token_names::validate(token_env, token_file, admin.services.tokens.permitted()) {
        mistakes.add(mistake.field, mistake.message);
    }
    let throughput = validate::within(&ChannelSettings::THROUGHPUT, &settings.throughput_limit);
    mistakes.validate("throughput_limit", throughput);
    if let Some(Err(error)) = settings.upstream_url.as_deref().map(str::parse::<BaseUrl>) {
        mistakes.add("upstream_url", error.to_string());
    }
    if let Some(code) = &settings.calling_code {
        mistakes.validate("calling_code", validate::calling_code(code));
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
