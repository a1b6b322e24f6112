//! An admin call: route, authenticate, authorize, query, body, handler, reply - with one exit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::routing::any;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Response};

use super::call::{Call, bad_parameter};
use super::problem::{self, Problem};
use super::route::{Access, Route, Takes};
use super::routes::ROUTES;
use crate::catalog::documents::Scope;
use crate::catalog::{AuthError, Principal, Snapshot};
use crate::clock::Stopwatch;
use crate::control::Control;
use crate::http::bearer::bearer;
use crate::http::body::{BodyError, read_body};
use crate::http::peer::client_network;
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::ids::AccountId;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Adds all routes of the table, and problem documents for every other path.
pub(super) fn mount(router: Router, control: Arc<Control>) -> Router {
    let mut by_path: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    for route in ROUTES {
        by_path.entry(route.path).or_default().push(route);
    }
    let router = by_path.into_iter().fold(router, |router, (path, routes)| {
        let (control, routes): (_, Arc<[&'static Route]>) = (control.clone(), routes.into());
        router.route(path, any(move |request: Request| serve(control, routes, request)))
    });
    router.fallback(move |request: Request| serve(control, Arc::default(), request))
}

/// The one exit of a call: its id, its log line and its problem document.
async fn serve(
    control: Arc<Control>,
    routes: Arc<[&'static Route]>,
    request: Request,
) -> Response<Body> {
    let watch = Stopwatch::start();
    let id = RequestId::of(request.headers(), control.services.clock.now_ms());
    let method = request.method().clone();
    let path = routes.first().map_or("unknown", |route| route.path);
    let mut response = match handle(&control, &routes, request).await {
        Ok(response) => response,
        Err(problem) => problem.response(id.as_str()),
    };
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    let (status, elapsed_ms) = (response.status().as_u16(), watch.elapsed().as_millis());
    if method == Method::GET || method == Method::HEAD {
        tracing::debug!(request_id = %id, %method, path, status, elapsed_ms, "admin call");
    } else {
        tracing::info!(request_id = %id, %method, path, status, elapsed_ms, "admin call");
    }
    response
}

async fn handle(
    control: &Arc<Control>,
    routes: &[&'static Route],
    request: Request,
) -> Result<Response<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let route = route(routes, &parts)?;
    let path = path_parts(&mut parts).await?;
    let (principal, account) = match route.access {
        Access::Public => (None, None),
        _ => {
            let principal = authenticate(control, &parts).await?;
            let (principal, account) = authorize(control, route, principal, &path).await?;
            (Some(principal), account)
        }
    };
    let query = query(route, &parts)?;
    let csv = wants_csv(route, &query, &parts.headers)?;
    let body = take_body(route, &parts.headers, body).await?;
    let call = Call { control: control.clone(), account, principal, path, query, body, csv };
    // On a task of its own, so that a client that disconnects does not leave a change half made.
    let work = tokio::spawn(async move { (route.handler)(&call).await });
    match tokio::time::timeout(route.deadline, work).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(panicked)) => Err(Problem::internal("the call ended early", &panicked)),
        Err(_) => Err(Problem::new(
            &problem::LEDGER_UNAVAILABLE,
            "the call took too long; whether it was done is unknown, repeat it",
        )),
    }
}

/// The route of the request's method among those of its path.
fn route(routes: &[&'static Route], parts: &Parts) -> Result<&'static Route, Problem> {
    if routes.is_empty() {
        return Err(Problem::unknown("path", parts.uri.path()));
    }
    let wanted = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    routes.iter().copied().find(|route| route.method == *wanted).ok_or_else(|| {
        let methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
        Problem::method_not_allowed(&methods.join(", "))
    })
}

async fn path_parts(parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|error| Problem::new(&problem::MALFORMED, error.body_text()))?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn authenticate(control: &Control, parts: &Parts) -> Result<Principal, Problem> {
    let key = bearer(&parts.headers)
        .map_err(|error| Problem::new(&problem::UNAUTHORIZED, error.to_string()))?;
    let client = client_network(&parts.extensions, &parts.headers);
    match control.services.catalog.authenticate(key, client).await {
        Ok(principal) => Ok(principal),
        Err(AuthError::Unknown) => Err(unauthorized()),
        Err(AuthError::TooManyFailures(wait)) => Err(Problem::new(
            &problem::UNAUTHORIZED,
            format!(
                "too many unknown keys come from this address; for {} s only keys known to be good \
                 are taken from it",
                wait.as_secs().saturating_add(1)
            ),
        )),
        Err(AuthError::Ledger(fault)) => Err(fault.into()),
    }
}

fn unauthorized() -> Problem {
    Problem::new(&problem::UNAUTHORIZED, "unknown or revoked key")
}

/// Checks that the principal may make this call on the account of the path. Returns the principal
/// under the settings of now, and that account.
async fn authorize(
    control: &Control,
    route: &Route,
    principal: Principal,
    path: &[(String, String)],
) -> Result<(Principal, Option<Arc<Snapshot>>), Problem> {
    let catalog = &control.services.catalog;
    let named = path.iter().find(|(name, _)| name == "account").map(|(_, id)| id.as_str());
    // The same words for an account that is another's, that does not exist and that cannot exist.
    let unknown = || Problem::unknown("account", named.unwrap_or_default());
    match principal {
        Principal::Operator => {
            let Some(id) = named else { return Ok((Principal::Operator, None)) };
            let id: AccountId = id.parse().map_err(|_| unknown())?;
            let account = catalog.reload(&id).await?.ok_or_else(unknown)?;
            Ok((Principal::Operator, Some(account)))
        }
        Principal::Account { snapshot, key, campaign, .. } => {
            if named.is_some_and(|named| named != snapshot.id.as_str()) {
                return Err(unknown());
            }
            // As it is now: a key that was revoked elsewhere must not make others in its last
            // seconds.
            let snapshot = catalog.reload(&snapshot.id).await?.ok_or_else(unauthorized)?;
            let settings = snapshot.keys.get(&key).ok_or_else(unauthorized)?;
            let scopes = settings.scopes.clone();
            allowed(route.access, &scopes)?;
            let account = named.map(|_| snapshot.clone());
            Ok((Principal::Account { snapshot, key, scopes, campaign }, account))
        }
    }
}

fn allowed(access: Access, scopes: &[Scope]) -> Result<(), Problem> {
    let (wanted, needs): (&[Scope], &str) = match access {
        Access::Public => return Ok(()),
        Access::Read => (&[Scope::Read], "this needs a key with the scope `read`"),
        Access::ReadOrManage => {
            (&[Scope::Read, Scope::Manage], "this needs a key with the scope `read` or `manage`")
        }
        Access::Manage => (&[Scope::Manage], "this needs a key with the scope `manage`"),
        Access::Operator => (&[], "this needs an operator key"),
    };
    if scopes.iter().any(|scope| wanted.contains(scope)) {
        Ok(())
    } else {
        Err(Problem::new(&problem::FORBIDDEN, needs))
    }
}

/// The query's parameters, each known to the route and given once.
fn query(route: &Route, parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|error| Problem::new(&problem::MALFORMED, error.body_text()))?;
    for (at, (name, _)) in query.iter().enumerate() {
        if !route.query.contains(&name.as_str()) {
            return Err(bad_parameter(name, "this path has no such parameter"));
        }
        if query.iter().take(at).any(|(earlier, _)| earlier == name) {
            return Err(bad_parameter(name, "it is given twice"));
        }
    }
    Ok(query)
}

/// Whether the reply is to be CSV: by `format`, else by `Accept`.
fn wants_csv(
    route: &Route,
    query: &[(String, String)],
    headers: &HeaderMap,
) -> Result<bool, Problem> {
    if !route.query.contains(&"format") {
        return Ok(false);
    }
    match query.iter().find(|(name, _)| name == "format").map(|(_, value)| value.as_str()) {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(bad_parameter("format", "it is json or csv")),
        None => Ok(headers
            .get_all(ACCEPT)
            .iter()
            .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/csv")))),
    }
}

/// The body, of the type and size the route takes.
async fn take_body(route: &Route, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let (limit, wanted) = match route.takes {
        Takes::Nothing => (0, None),
        Takes::Json(_) | Takes::MaybeJson(_) => (64 << 10, Some("application/json")),
        Takes::Csv => (1 << 20, Some("text/csv")),
    };
    let body = read_body(body, limit, BODY_DEADLINE).await.map_err(|error| match error {
        BodyError::TooLarge { limit: 0 } => {
            Problem::new(&problem::MALFORMED, "this call takes no body")
        }
        BodyError::TooLarge { .. } | BodyError::NoRoom => {
            Problem::new(&problem::TOO_LARGE, error.to_string())
        }
        BodyError::Slow { .. } => Problem::new(&problem::SLOW, error.to_string()),
        BodyError::Disconnected | BodyError::Malformed => {
            Problem::new(&problem::MALFORMED, error.to_string())
        }
    })?;
    let optional = body.is_empty() && matches!(route.takes, Takes::MaybeJson(_) | Takes::Nothing);
    match wanted {
        Some(wanted) if !optional && !is_of_type(headers, wanted) => Err(Problem::new(
            &problem::UNSUPPORTED_MEDIA_TYPE,
            format!("send the body with `Content-Type: {wanted}`"),
        )),
        _ => Ok(body),
    }
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}
