//! A gateway's Admin API in this process: an embedded ledger in a temporary directory, a fixed
//! clock, an operator key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tollgate::admin;
use tollgate::admin::ops::Ops;
use tollgate::clock::Clock;
use tollgate::control::Control;
use tollgate::gateway::bootstrap::bootstrap;
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::batcher::BatcherOptions;
use tollgate::ledger::embedded::EmbeddedLedger;
use tollgate::ledger::{
    CalendarSpan, CampaignUse, OpenLedger, Operation, Reserve, Verdict, WindowRule,
};
use tollgate::pricing::Category;
use tower::ServiceExt;

use super::api_reply::ApiReply;
use super::openapi_check::check_response;
use super::printed::{self, Watch};
use super::services::services;
use super::setup::OPERATOR_KEY;
use super::time::NOON_MS;

/// An Admin API without a listener.
pub struct AdminApi {
    pub ledger: OpenLedger,
    pub control: Arc<Control>,
    pub ops: Arc<Ops>,
    pub router: Router,
    pub clock: Clock,
    pub directory: TempDir,
    pub _watch: Watch,
}

impl AdminApi {
    pub async fn open() -> AdminApi {
        let api = AdminApi::unlocked();
        bootstrap(
            &*api.control.services.claims,
            api.control.services.catalog.hasher(),
            Some(OPERATOR_KEY),
        )
        .await
        .unwrap();
        api
    }

    /// Without an operator key.
    fn unlocked() -> AdminApi {
        printed::watch_this_process();
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(NOON_MS);
        let store = EmbeddedLedger::open(&directory.path().join("ledger"), clock.clone()).unwrap();
        let ledger = store.into_open();
        let batching = BatcherOptions { deadline: Duration::from_secs(5), queue: 1_000 };
        let services = services(&ledger, &clock, batching);
        let control = Control::new(services.clone(), Some(directory.path().join("cards")));
        let ops = Arc::new(Ops::new(services.readiness.clone(), services.metrics.clone()));
        let router = admin::router(control.clone(), ops.clone());
        AdminApi { ledger, control, ops, router, clock, directory, _watch: Watch }
    }

    /// With the account `acme`: USD, one channel with a WABA, 1.00 in its wallet.
    pub async fn with_acme() -> AdminApi {
        let api = AdminApi::open().await;
        for (method, path, body) in [
            ("POST", "/v1/accounts", r#"{"id":"acme","currency":"USD"}"#),
            ("PUT", "/v1/accounts/acme/wabas/102290129340398", r#"{"time_zone":"Asia/Kolkata"}"#),
            (
                "PUT",
                "/v1/accounts/acme/channels/106540352242922",
                r#"{"waba":"102290129340398","token_env":"META_TOKEN"}"#,
            ),
            (
                "POST",
                "/v1/accounts/acme/wallets/main/top-ups",
                r#"{"amount":"1.00","reference":"first"}"#,
            ),
        ] {
            assert_eq!(api.ask(method, path, body).await.status, 201, "{path}");
        }
        api
    }

    /// Calls as the operator.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> ApiReply {
        self.ask_as(OPERATOR_KEY, method, path, body).await
    }

    /// Calls with a key; an empty one is not sent.
    pub async fn ask_as(&self, key: &str, method: &str, path: &str, body: &str) -> ApiReply {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json
    }

    pub async fn send(&self, request: Request<Body>) -> ApiReply {
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        printed::learn_request(request.headers(), request.uri().query(), b"");
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        let reply = ApiReply { status: parts.status.as_u16(), headers: parts.headers, text, json };
        printed::learn_reply(reply.text.as_bytes());
        printed::check();
        check_response(&method, &path, &reply);
        if parts.status.is_client_error() || parts.status.is_server_error() {
            check_problem(&format!("{method} {path}"), parts.status, &reply);
        }
        reply
    }

    /// A new key of the account.
    pub async fn key(&self, account: &str, scopes: &str) -> String {
        let reply = self
            .ask(
                "POST",
                &format!("/v1/accounts/{account}/keys"),
                &format!(r#"{{"scopes":{scopes}}}"#),
            )
            .await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json["key"].as_str().unwrap().to_owned()
    }

    /// One send of acme for `amount` as the send path reserves it, up to the ledger's verdict.
    pub async fn reserve(&self, amount: &str, campaign: Option<&str>) -> (HoldId, Verdict) {
        let account: AccountId = "acme".parse().unwrap();
        let snapshot = self.control.services.catalog.reload(&account).await.unwrap().unwrap();
        let hold = HoldId::new(self.clock.now_ms());
        let mut recipient = [0u8; 8];
        recipient.copy_from_slice(&hold.as_bytes()[8..]);
        let limit = snapshot.account.messaging_limit;
        let window = limit.map(|limit| WindowRule { portfolio: "default".parse().unwrap(), limit });
        let reserve = Reserve {
            hold,
            settings_version: snapshot.version,
            price_valid_until_ms: i64::MAX,
            wallet: Some("main".parse().unwrap()),
            campaign: campaign.map(|id| CampaignUse { id: id.parse().unwrap(), auto_create: true }),
            channel: "106540352242922".parse().unwrap(),
            country: "IN".parse().unwrap(),
            category: Category::Marketing,
            amount: amount.parse().unwrap(),
            allowance: None,
            recipient,
            spelled: None,
            window,
            caps: Arc::default(),
            fingerprint: *hold.as_bytes(),
            key: None,
            guarding: false,
            observe: false,
            abandoned_replay_s: 86_400,
        };
        let verdict = self
            .control
            .services
            .batcher
            .call(&account, Operation::Reserve(Box::new(reserve)))
            .await
            .unwrap();
        (hold, verdict)
    }

    /// One send of acme that is accepted; its settle is left in the gateway's queue.
    pub async fn spend(&self, amount: &str, campaign: Option<&str>) {
        let (hold, verdict) = self.reserve(amount, campaign).await;
        assert!(matches!(verdict, Verdict::Reserved { .. }), "{verdict:?}");
        let account: AccountId = "acme".parse().unwrap();
        let day = CalendarSpan::day(&jiff::tz::TimeZone::UTC, self.clock.now_ms());
        self.control
            .services
            .batcher
            .post(&account, Operation::Settle { hold, message_id: Some("wamid.1".into()), day });
    }
}

/// Every refusal is a complete problem document and names the id under which it is logged.
fn check_problem(what: &str, status: StatusCode, reply: &ApiReply) {
    if reply.header("content-type") != "application/problem+json" {
        // Readiness is for probes, not for programs.
        assert!(what.ends_with("/readyz"), "{what}: {}", reply.text);
        return;
    }
    assert_eq!(reply.json["status"], status.as_u16(), "{what}");
    assert_eq!(reply.json["type"], format!("urn:tollgate:problem:{}", reply.code()), "{what}");
    for member in ["title", "detail"] {
        assert!(
            reply.json[member].as_str().is_some_and(|text| !text.is_empty()),
            "{what}: {member}"
        );
    }
    assert_eq!(reply.json["request_id"], reply.header("x-request-id"), "{what}");
}
