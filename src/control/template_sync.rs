//! Reading a WABA's templates from Meta into the catalog, with the token of one of the account's
//! channels.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Conflict, ControlError};
use super::handles::Control;
use super::permission::may_manage;
use super::put::Existing;
use super::template::put_all_locked;
use crate::catalog::documents::Billing;
use crate::catalog::validate::FieldMistake;
use crate::catalog::{Channel, Principal, Snapshot, TemplateName};
use crate::ids::{ChannelId, WabaId};
use crate::pricing::Category;
use crate::upstream::target::Target;
use crate::upstream::templates::{ListedTemplate, TemplateList, TemplatesError};

/// How long the whole operation may take.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The part of it for reading all pages; the rest is for writing.
const READ_DEADLINE: Duration = Duration::from_secs(45);

/// What came of it.
#[derive(Debug, Clone)]
pub struct Synced {
    /// Listed by Meta.
    pub read: usize,
    /// New, or with another category than before.
    pub changed: usize,
    /// Left out.
    pub skipped: Vec<Skipped>,
}

/// A template that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, as far as it has one.
    pub name: String,
    /// Why no send could be priced by it.
    pub reason: String,
}

/// Reads the WABA's templates and writes their categories. Nothing is written unless the whole list
/// could be read. Templates that Meta does not list stay: they may have been declared by hand.
///
/// # Errors
/// No channel with a usable token, a list that could not be read, or a fault of the ledger.
pub async fn sync(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    waba: &WabaId,
) -> Result<Synced, ControlError> {
    may_manage(principal, &account.id)?;
    let target = upstream_of_waba(control, account, waba)?;
    let reading = control.services.upstream.templates(&target.base, &target.token, waba.as_str());
    let listed = tokio::time::timeout(READ_DEADLINE, reading).await.map_err(|_| {
        let seconds = READ_DEADLINE.as_secs();
        unavailable(format!("the list was not complete within {seconds} s"))
    })?;
    let listed = listed.map_err(not_read)?;
    let read = listed.templates.len().saturating_add(listed.odd.len());
    let (found, skipped) = sorted(listed);
    for Skipped { name, reason } in &skipped {
        tracing::warn!(account = %account.id, %waba, template = name, reason, "a template was \
                left out");
    }
    let _held = control.lock_settings().await;
    let changed = put_all_locked(control, &account.id, waba, &found, Existing::Replace).await?;
    let left_out = skipped.len();
    tracing::info!(
        account = %account.id, %waba, read, changed, skipped = left_out,
        "templates were read from Meta"
    );
    Ok(Synced { read, changed, skipped })
}

/// Characters of a name that is reported at most; what is no template's may be anything.
const SHOWN_NAME: usize = 64;

/// The templates as the catalog has them, and those that it cannot have.
fn sorted(listed: TemplateList) -> (BTreeMap<TemplateName, Category>, Vec<Skipped>) {
    let mut found = BTreeMap::new();
    let mut skipped = Vec::new();
    let shown = |name: &str| name.chars().take(SHOWN_NAME).collect();
    for listed in &listed.templates {
        match template(listed) {
            Ok((name, category)) => drop(found.insert(name, category)),
            Err(reason) => skipped.push(Skipped { name: shown(&listed.name), reason }),
        }
    }
    for odd in listed.odd {
        skipped.push(Skipped { name: shown(&odd.name.unwrap_or_default()), reason: odd.reason });
    }
    (found, skipped)
}

/// Name and category as the catalog has them; fails with why the gateway has no price or no
/// spelling for it.
fn template(listed: &ListedTemplate) -> Result<(TemplateName, Category), String> {
    let name = TemplateName::new(&listed.name, &listed.language).map_err(|mistakes| {
        let mistake = |mistake: &FieldMistake| format!("{}: {}", mistake.field, mistake.message);
        mistakes.iter().map(mistake).collect::<Vec<_>>().join("; ")
    })?;
    let category = Category::from_meta(&listed.category)
        .ok_or_else(|| format!("category: {:?} has no price", listed.category))?;
    Ok((name, category))
}

/// Address and token of the first of the WABA's channels that has both: prepaid before external,
/// because only those are sure to lead to Meta, and enabled before disabled.
fn upstream_of_waba(
    control: &Control,
    account: &Snapshot,
    waba: &WabaId,
) -> Result<Target, ControlError> {
    let of_waba = |(_, channel): &(&ChannelId, &Arc<Channel>)| {
        channel.settings.waba.as_ref() == Some(waba) && channel.settings.is_graph_shaped()
    };
    let mut channels: Vec<_> = account.channels.iter().filter(of_waba).collect();
    channels.sort_by_key(|(id, channel)| {
        (channel.settings.billing == Billing::External, !channel.settings.enabled, *id)
    });
    let mut reasons = Vec::new();
    for (id, channel) in channels {
        match control.services.target(&channel.settings) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(format!("channel {id}: {reason}")),
        }
    }
    let detail = if reasons.is_empty() {
        format!(
            "no channel of the account is in WABA {waba}, so there is no token to read its \
             templates with"
        )
    } else {
        format!("no channel of WABA {waba} has a usable token: {}", reasons.join("; "))
    };
    Err(ControlError::Conflict(Conflict::NotConfigured, detail))
}

fn unavailable(what: impl Display) -> ControlError {
    ControlError::UpstreamUnavailable(format!("{what}; no template was changed"))
}

fn not_read(error: TemplatesError) -> ControlError {
    match error {
        TemplatesError::Refused { .. } => {
            ControlError::UpstreamRefused(format!("{error}; no template was changed"))
        }
        TemplatesError::NoAnswer(_) | TemplatesError::Unreadable(_) | TemplatesError::Endless => {
            unavailable(error)
        }
    }
}
