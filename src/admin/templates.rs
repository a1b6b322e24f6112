//! Templates: which category Meta gave to which name and language of a WABA.

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::problem::Problem;
use super::{Admin, Existing, Made};
use crate::catalog::TemplateName;
use crate::catalog::documents::TemplateSettings;
use crate::ids::{AccountId, IdError, WabaId};
use crate::ledger::DocumentKind;
use crate::pricing::Category;

/// A template as answers show it.
#[derive(Serialize)]
struct TemplateView<'a> {
    name: &'a str,
    language: &'a str,
    category: Category,
}

fn view(key: &str, category: Category) -> TemplateView<'_> {
    let (name, language) = key.split_once('/').unwrap_or((key, ""));
    TemplateView { name, language, category }
}

/// Says which category a template of the account's WABA has.
///
/// # Errors
/// A WABA the account does not have, a category that templates cannot have, or a ledger that does
/// not answer.
pub async fn put(
    admin: &Admin,
    account: &AccountId,
    waba: &WabaId,
    name: &TemplateName,
    settings: TemplateSettings,
    existing: Existing,
) -> Result<Made, Problem> {
    check_category(settings)?;
    let snapshot = admin.snapshot(account).await?;
    if !snapshot.wabas.contains_key(waba) {
        return Err(Problem::unknown("WABA", waba));
    }
    let known =
        snapshot.templates.get(waba).is_some_and(|templates| templates.contains_key(name.as_str()));
    admin
        .put_document(account, DocumentKind::Template, &name.document_id(waba), &settings, existing)
        .await?;
    Ok(if known { Made::Present } else { Made::New })
}

/// Says which categories many templates of the account's WABA have; how many of them were new or,
/// where they are replaced, changed. Those that are as they should be cost nothing, so it can be
/// repeated.
///
/// # Errors
/// As [`put`]; what was written before a fault of the ledger stays.
pub async fn put_all(
    admin: &Admin,
    account: &AccountId,
    waba: &WabaId,
    templates: &BTreeMap<TemplateName, Category>,
    existing: Existing,
) -> Result<usize, Problem> {
    let snapshot = admin.snapshot(account).await?;
    if !snapshot.wabas.contains_key(waba) {
        return Err(Problem::unknown("WABA", waba));
    }
    let known = snapshot.templates.get(waba);
    let mut puts = Vec::new();
    for (name, category) in templates {
        let settings = TemplateSettings { category: *category };
        check_category(settings)?;
        let before = known.and_then(|known| known.get(name.as_str()));
        if before.is_none() || (existing == Existing::Replace && before != Some(category)) {
            puts.push(admin.put_operation(
                DocumentKind::Template,
                &name.document_id(waba),
                &settings,
                existing,
            )?);
        }
    }
    admin.put_documents(account, puts).await
}

fn check_category(settings: TemplateSettings) -> Result<(), Problem> {
    settings.validate().map_err(|message| Problem::field("category", message))
}

/// The WABA of the path.
pub(super) fn waba(call: &Call) -> Result<WabaId, Problem> {
    let waba: WabaId = call
        .part("waba")
        .parse()
        .map_err(|_: IdError| Problem::unknown("WABA", call.part("waba")))?;
    if call.account()?.wabas.contains_key(&waba) {
        Ok(waba)
    } else {
        Err(Problem::unknown("WABA", &waba))
    }
}

/// The template of the path.
fn name(call: &Call) -> Result<TemplateName, Problem> {
    Ok(TemplateName::new(call.part("name"), call.part("language"))?)
}

pub(super) async fn put_call(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name, settings) = (waba(call)?, name(call)?, call.json::<TemplateSettings>()?);
    let _held = call.admin.settings.hold().await;
    let made =
        put(&call.admin, &call.account()?.id, &waba, &name, settings, Existing::Replace).await?;
    call::made(made == Made::New, &view(name.as_str(), settings.category))
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let none = HashMap::new();
    let templates = call.account()?.templates.get(&waba(call)?).unwrap_or(&none);
    let page = call::page_of(templates.keys(), &call.page::<String>()?, String::as_str);
    let views: Vec<_> =
        page.items.into_iter().filter_map(|key| Some(view(key, *templates.get(key)?))).collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name) = (waba(call)?, name(call)?);
    let category =
        call.account()?.templates.get(&waba).and_then(|templates| templates.get(name.as_str()));
    let category = category.ok_or_else(|| Problem::unknown("template", name.as_str()))?;
    call::ok(&view(name.as_str(), *category))
}

pub(super) async fn delete(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name) = (waba(call)?, name(call)?);
    let _held = call.admin.settings.hold().await;
    let deleted = call
        .admin
        .delete_document(&call.account()?.id, DocumentKind::Template, &name.document_id(&waba))
        .await?;
    if deleted { call::done() } else { Err(Problem::unknown("template", name.as_str())) }
}
