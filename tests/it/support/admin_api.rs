//! A gateway's Admin API in this process: an embedded ledger in a temporary directory, a clock that
//! stands still, an operator key.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tollgate::admin;
use tollgate::admin::ops::Ops;
use tollgate::catalog::Tokens;
use tollgate::clock::Clock;
use tollgate::control::Control;
use tollgate::gateway::bootstrap::bootstrap;
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::batcher::BatcherOptions;
use tollgate::ledger::embedded::EmbeddedLedger;
use tollgate::ledger::{
    CalendarSpan, CampaignUse, OpenLedger, Operation, Reserve, Verdict, WindowRule,
};
use tollgate::pricing::{Category, PriceBook};
use tollgate::services::{Services, ServicesOptions};
use tollgate::upstream::client::UpstreamOptions;
use tower::ServiceExt;

use super::time::NOON_MS;
use crate::admin::openapi as document;

/// The operator's key.
pub const OPERATOR: &str = "bootstrap-key-of-a-test";

/// An Admin API to be asked.
pub struct Desk {
    pub ledger: OpenLedger,
    pub control: Arc<Control>,
    pub ops: Arc<Ops>,
    pub router: Router,
    pub clock: Clock,
    pub directory: TempDir,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` where the body is no JSON.
    pub json: Value,
}

impl Answer {
    /// The code of a problem document.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Desk {
    pub async fn open() -> Desk {
        let desk = Desk::unlocked();
        bootstrap(
            &*desk.control.services.claims,
            desk.control.services.catalog.hasher(),
            Some(OPERATOR),
        )
        .await
        .unwrap();
        desk
    }

    /// Without an operator key.
    fn unlocked() -> Desk {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(NOON_MS);
        let store = EmbeddedLedger::open(&directory.path().join("ledger"), clock.clone()).unwrap();
        let ledger = store.into_open();
        let services = Services::new(
            &ledger,
            ServicesOptions {
                book: PriceBook::builtin(),
                tokens: Tokens::new(None, "META_TOKEN*".parse().unwrap(), clock.clone()),
                upstream: UpstreamOptions::default(),
                // Nothing listens there: these tests do not ask Meta.
                base_url: "http://127.0.0.1:9".parse().unwrap(),
                batching: BatcherOptions { deadline: Duration::from_secs(5), queue: 1_000 },
                wallet_metrics: 10,
                clock: clock.clone(),
            },
        );
        let control = Control::new(services.clone(), Some(directory.path().join("cards")));
        let ops = Arc::new(Ops::new(ledger.reads.clone(), services.metrics.clone()));
        let router = admin::router(control.clone(), ops.clone());
        Desk { ledger, control, ops, router, clock, directory }
    }

    /// With the account `acme`: USD, one channel with a WABA, 1.00 in its wallet.
    pub async fn with_acme() -> Desk {
        let desk = Desk::open().await;
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
            assert_eq!(desk.ask(method, path, body).await.status, 201, "{path}");
        }
        desk
    }

    /// Asks as the operator.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as(OPERATOR, method, path, body).await
    }

    /// Asks with a key; an empty one is not sent.
    pub async fn ask_as(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
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
        let answer = self.ask("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text, json };
        document::check_answer(&method, &path, &answer);
        if parts.status.is_client_error() || parts.status.is_server_error() {
            check_problem(&format!("{method} {path}"), parts.status, &answer);
        }
        answer
    }

    /// A new key of the account.
    pub async fn key(&self, account: &str, scopes: &str) -> String {
        let answer = self
            .ask(
                "POST",
                &format!("/v1/accounts/{account}/keys"),
                &format!(r#"{{"scopes":{scopes}}}"#),
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["key"].as_str().unwrap().to_owned()
    }

    /// One send of acme for `amount` as the send path asks for it, up to the ledger's verdict.
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
            window,
            caps: Arc::default(),
            fingerprint: *hold.as_bytes(),
            key: None,
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

/// Every refusal is a complete problem document and says under which id it is logged.
fn check_problem(what: &str, status: StatusCode, answer: &Answer) {
    if answer.header("content-type") != "application/problem+json" {
        // Readiness answers probes, not programs.
        assert!(what.ends_with("/readyz"), "{what}: {}", answer.text);
        return;
    }
    assert_eq!(answer.json["status"], status.as_u16(), "{what}");
    assert_eq!(answer.json["type"], format!("urn:tollgate:problem:{}", answer.code()), "{what}");
    for member in ["title", "detail"] {
        assert!(
            answer.json[member].as_str().is_some_and(|text| !text.is_empty()),
            "{what}: {member}"
        );
    }
    assert_eq!(answer.json["request_id"], answer.header("x-request-id"), "{what}");
}
