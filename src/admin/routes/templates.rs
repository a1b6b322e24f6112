//! Templates: which category Meta gave to which name and language of a WABA.

use std::collections::HashMap;

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call, NothingBody};
use crate::admin::problem::Problem;
use crate::catalog::TemplateName;
use crate::catalog::documents::TemplateSettings;
use crate::control::template_sync::{self, Skipped, Synced};
use crate::control::{ControlError, Made, template};
use crate::ids::{IdError, WabaId};
use crate::pricing::Category;

/// A template as replies show it.
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
    let name = TemplateName::new(call.part("name"), call.part("language"));
    Ok(name.map_err(ControlError::from)?)
}

pub(super) async fn put(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name, settings) = (waba(call)?, name(call)?, call.json::<TemplateSettings>()?);
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let made = template::put(control, principal, account, &waba, &name, settings).await?;
    call::made(made == Made::New, &view(name.as_str(), settings.category))
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let none = HashMap::default();
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
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    template::delete(control, principal, account, &waba, &name).await?;
    call::done()
}

/// Reads the WABA's templates from Meta.
pub(super) async fn sync(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let waba = waba(call)?;
    let (control, principal) = (&call.control, call.principal()?);
    let synced = template_sync::sync(control, principal, call.account()?, &waba).await?;
    let Synced { read, changed, skipped } = &synced;
    let view = |left_out: &Skipped| SkippedView {
        name: left_out.name.clone(),
        reason: left_out.reason.clone(),
    };
    call::ok(&SyncView {
        read: *read,
        changed: *changed,
        skipped: skipped.len(),
        skipped_templates: skipped.iter().take(SHOWN_SKIPPED).map(view).collect(),
    })
}

/// Templates left out that a reply names at most; the log names all.
const SHOWN_SKIPPED: usize = 100;

#[derive(Serialize)]
struct SyncView {
    read: usize,
    changed: usize,
    skipped: usize,
    skipped_templates: Vec<SkippedView>,
}

#[derive(Serialize)]
struct SkippedView {
    name: String,
    reason: String,
}
