//! Reading a WABA's templates from Meta into the catalog, with the token of one of the account's
//! channels.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::campaigns::NothingBody;
use super::problem::{self, Problem};
use super::templates;
use super::{Admin, Existing};
use crate::catalog::documents::{Billing, ChannelSettings};
use crate::catalog::{Channel, Snapshot, TemplateName};
use crate::ids::{ChannelId, WabaId};
use crate::pricing::Category;
use crate::upstream::target::{AccessToken, BaseUrl};
use crate::upstream::templates::{ListedTemplate, TemplatesError};

/// The whole call's.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Of these, what reading all pages may take; the rest is for writing.
const READ_DEADLINE: Duration = Duration::from_secs(45);

#[derive(Serialize)]
struct Synced {
    read: usize,
    changed: usize,
    skipped: usize,
}

/// Nothing is written unless the whole list could be read. Templates that Meta does not list stay:
/// they may have been declared by hand.
pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let waba = templates::waba(call)?;
    let admin = &call.admin;
    let account = call.account()?;
    let (base, token) = way_to_meta(admin, account, &waba)?;
    let listed = tokio::time::timeout(
        READ_DEADLINE,
        admin.services.upstream.templates(&base, &token, waba.as_str()),
    )
    .await;
    let listed = listed.map_err(|_| {
        unavailable(format!("the list was not complete within {} s", READ_DEADLINE.as_secs()))
    })?;
    let listed = listed.map_err(not_read)?;
    let found: BTreeMap<TemplateName, Category> = listed.iter().filter_map(template).collect();
    let skipped = listed.iter().filter(|listed| template(listed).is_none()).count();
    let _held = admin.settings.hold().await;
    let changed = templates::put_all(admin, &account.id, &waba, &found, Existing::Replace).await?;
    let read = listed.len();
    tracing::info!(account = %account.id, %waba, read, changed, skipped, "templates were read from Meta");
    call::ok(&Synced { read, changed, skipped })
}

/// Name and category as the catalog has them; `None` where the gateway has no price or no spelling
/// for it.
fn template(listed: &ListedTemplate) -> Option<(TemplateName, Category)> {
    Some((
        TemplateName::new(&listed.name, &listed.language).ok()?,
        Category::from_meta(&listed.category)?,
    ))
}

/// Address and token of the first of the WABA's channels that has both: prepaid before external,
/// because only those are sure to lead to Meta, and enabled before disabled.
fn way_to_meta(
    admin: &Admin,
    account: &Snapshot,
    waba: &WabaId,
) -> Result<(BaseUrl, AccessToken), Problem> {
    let of_waba =
        |(_, channel): &(&ChannelId, &Channel)| channel.settings.waba.as_ref() == Some(waba);
    let mut channels: Vec<_> = account.channels.iter().filter(of_waba).collect();
    channels.sort_by_key(|(id, channel)| {
        (channel.settings.billing == Billing::External, !channel.settings.enabled, *id)
    });
    let mut reasons = Vec::new();
    for (id, channel) in channels {
        match way_of(admin, &channel.settings) {
            Ok(way) => return Ok(way),
            Err(reason) => reasons.push(format!("channel {id}: {reason}")),
        }
    }
    let detail = if reasons.is_empty() {
        format!(
            "no channel of the account stands in WABA {waba}, so there is no token to read its templates with"
        )
    } else {
        format!("no channel of WABA {waba} has a usable token: {}", reasons.join("; "))
    };
    Err(Problem::new(&problem::NOT_CONFIGURED, detail))
}

fn way_of(admin: &Admin, channel: &ChannelSettings) -> Result<(BaseUrl, AccessToken), String> {
    let base = match &channel.upstream_url {
        Some(url) => url.parse().map_err(|error| format!("upstream_url: {error}"))?,
        None => admin.services.base_url.clone(),
    };
    let token = admin.services.tokens.of(channel).map_err(|error| error.to_string())?;
    Ok((base, token.parse().map_err(|error| format!("its token: {error}"))?))
}

fn unavailable(what: impl std::fmt::Display) -> Problem {
    Problem::new(&problem::UPSTREAM_UNAVAILABLE, format!("{what}; no template was changed"))
}

fn not_read(error: TemplatesError) -> Problem {
    match error {
        TemplatesError::Refused { .. } => {
            Problem::new(&problem::UPSTREAM_REFUSED, format!("{error}; no template was changed"))
        }
        TemplatesError::NoAnswer(_) | TemplatesError::Unreadable(_) | TemplatesError::Endless => {
            unavailable(error)
        }
    }
}
