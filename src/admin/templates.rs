//! Templates: which category Meta gave to which name and language of a WABA.

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::problem::{Mistakes, Problem};
use super::{Admin, Existing, Made};
use crate::catalog::documents::TemplateSettings;
use crate::ids::{AccountId, IdError, WabaId};
use crate::ledger::DocumentKind;
use crate::pricing::Category;

/// Meta limits template names to 512 characters.
const MAX_NAME: usize = 512;

/// A template's name and language as they stand in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateName(String);

impl TemplateName {
    /// `name/language`; the language in the one spelling that sends are looked up by, `en_US` also
    /// where `en-US` was written.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new(name: &str, language: &str) -> Result<TemplateName, Problem> {
        let language = language.replace('-', "_");
        let mut mistakes = Mistakes::default();
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let plain = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letters);
        mistakes.expect(
            plain,
            "name",
            format!("a template's name is 1 to {MAX_NAME} lower-case letters, digits or '_'"),
        );
        mistakes.expect(
            is_language(&language),
            "language",
            "a template's language is written as en, en_US or en-US",
        );
        mistakes.check()?;
        Ok(TemplateName(format!("{name}/{language}")))
    }

    fn in_waba(&self, waba: &WabaId) -> String {
        format!("{waba}/{}", self.0)
    }
}

/// `en`, `fil`, `en_US`, `zh_HK`.
fn is_language(text: &str) -> bool {
    let (language, region) =
        text.split_once('_').map_or((text, None), |(language, region)| (language, Some(region)));
    let letters = |part: &str, case: fn(&u8) -> bool| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| case(&byte))
    };
    letters(language, u8::is_ascii_lowercase)
        && region.is_none_or(|region| letters(region, u8::is_ascii_uppercase))
}

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
    check_category(settings.category)?;
    let snapshot = admin.snapshot(account).await?;
    if !snapshot.wabas.contains_key(waba) {
        return Err(Problem::unknown("WABA", waba));
    }
    let known =
        snapshot.templates.get(waba).is_some_and(|templates| templates.contains_key(&name.0));
    admin
        .put_document(account, DocumentKind::Template, &name.in_waba(waba), &settings, existing)
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
        check_category(*category)?;
        let before = known.and_then(|known| known.get(&name.0));
        if before.is_none() || (existing == Existing::Replace && before != Some(category)) {
            puts.push(admin.put_operation(
                DocumentKind::Template,
                &name.in_waba(waba),
                &TemplateSettings { category: *category },
                existing,
            )?);
        }
    }
    admin.put_documents(account, puts).await
}

fn check_category(category: Category) -> Result<(), Problem> {
    match category {
        Category::Marketing | Category::Utility | Category::Authentication => Ok(()),
        _ => Err(Problem::field("category", "a template is marketing, utility or authentication")),
    }
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
    TemplateName::new(call.part("name"), call.part("language"))
}

pub(super) async fn put_call(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name, settings) = (waba(call)?, name(call)?, call.json::<TemplateSettings>()?);
    let _held = call.admin.settings.hold().await;
    let made =
        put(&call.admin, &call.account()?.id, &waba, &name, settings, Existing::Replace).await?;
    call::made(made == Made::New, &view(&name.0, settings.category))
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
        call.account()?.templates.get(&waba).and_then(|templates| templates.get(&name.0));
    let category = category.ok_or_else(|| Problem::unknown("template", &name.0))?;
    call::ok(&view(&name.0, *category))
}

pub(super) async fn delete(call: &Call) -> Result<Response<Body>, Problem> {
    let (waba, name) = (waba(call)?, name(call)?);
    let _held = call.admin.settings.hold().await;
    let deleted = call
        .admin
        .delete_document(&call.account()?.id, DocumentKind::Template, &name.in_waba(&waba))
        .await?;
    if deleted { call::done() } else { Err(Problem::unknown("template", &name.0)) }
}
