//! Templates: the category Meta gave to each name and language of a WABA.

use std::collections::BTreeMap;

use super::error::ControlError;
use super::handles::{Control, put_operation};
use super::mistakes::field;
use super::permission::operator_only;
use super::put::{Existing, Made};
use super::tombstone::Tombstone;
use crate::catalog::documents::TemplateSettings;
use crate::catalog::{Principal, Snapshot, TemplateName};
use crate::ids::{AccountId, WabaId};
use crate::ledger::DocumentKind;
use crate::pricing::Category;

/// Sets the category of a template of the account's WABA.
///
/// # Errors
/// A WABA the account does not have, a category that templates cannot have, or a fault of the
/// ledger.
pub async fn put(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    waba: &WabaId,
    name: &TemplateName,
    settings: TemplateSettings,
) -> Result<Made, ControlError> {
    operator_only(principal)?;
    validate_category(settings)?;
    let _held = control.lock_settings().await;
    let snapshot = control.snapshot(account).await?;
    check_waba(&snapshot, waba)?;
    let known =
        snapshot.templates.get(waba).is_some_and(|templates| templates.contains_key(name.as_str()));
    let (kind, id) = (DocumentKind::Template, name.document_id(waba));
    control.put_document(account, kind, &id, &settings, Existing::Replace).await?;
    Ok(if known { Made::Present } else { Made::New })
}

/// Creates those of the templates that the account's WABA does not have and never had removed.
/// Those that are there cost nothing, so it can be repeated. Returns the removed ones, each with
/// the Unix milliseconds of its first removal.
///
/// # Errors
/// As [`put`]; what was written before a fault of the ledger stays.
pub async fn create_all(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    waba: &WabaId,
    templates: &BTreeMap<TemplateName, Category>,
) -> Result<Vec<(TemplateName, i64)>, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let snapshot = control.snapshot(account).await?;
    let known = snapshot.templates.get(waba);
    let (mut missing, mut removed) = (BTreeMap::new(), Vec::new());
    for (name, category) in templates {
        if known.is_some_and(|known| known.contains_key(name.as_str())) {
            continue;
        }
        let tombstone = Tombstone::of_template(account, &name.document_id(waba));
        match tombstone.set_at_ms(&*control.services.claims).await? {
            Some(at_ms) => removed.push((name.clone(), at_ms)),
            None => drop(missing.insert(name.clone(), *category)),
        }
    }
    put_all_locked(control, account, waba, &missing, Existing::Keep).await?;
    Ok(removed)
}

/// Sets the categories of many templates of the account's WABA, under the lock of the caller.
/// Returns how many of them were new or, if they are replaced, changed. Those that are right
/// already cost nothing, so it can be repeated.
pub(super) async fn put_all_locked(
    control: &Control,
    account: &AccountId,
    waba: &WabaId,
    templates: &BTreeMap<TemplateName, Category>,
    existing: Existing,
) -> Result<usize, ControlError> {
    let snapshot = control.snapshot(account).await?;
    check_waba(&snapshot, waba)?;
    let known = snapshot.templates.get(waba);
    let mut puts = Vec::new();
    for (name, category) in templates {
        let settings = TemplateSettings { category: *category };
        validate_category(settings)?;
        let before = known.and_then(|known| known.get(name.as_str()));
        if before.is_none() || (existing == Existing::Replace && before != Some(category)) {
            let (kind, id) = (DocumentKind::Template, name.document_id(waba));
            puts.push(put_operation(kind, &id, &settings, existing)?);
        }
    }
    control.change_documents(account, puts).await
}

/// Removes a template.
///
/// # Errors
/// No such template, or a fault of the ledger.
pub async fn delete(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    waba: &WabaId,
    name: &TemplateName,
) -> Result<(), ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let (kind, id) = (DocumentKind::Template, name.document_id(waba));
    let known = control.snapshot(account).await?;
    if known.templates.get(waba).is_some_and(|known| known.contains_key(name.as_str())) {
        let (claims, clock) = (&control.services.claims, &control.services.clock);
        Tombstone::of_template(account, &id).set(&**claims, clock).await?;
    }
    let deleted = control.delete_document(account, kind, &id, None).await?;
    if deleted == Some(true) {
        Ok(())
    } else {
        Err(ControlError::not_found("template", name.as_str()))
    }
}

fn check_waba(snapshot: &Snapshot, waba: &WabaId) -> Result<(), ControlError> {
    let known = snapshot.wabas.contains_key(waba);
    if known { Ok(()) } else { Err(ControlError::not_found("WABA", waba)) }
}

fn validate_category(settings: TemplateSettings) -> Result<(), ControlError> {
    settings.validate().map_err(|message| field("category", message))
}
