//! Liveness, readiness and metrics: what probes and scrapers ask, without a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Response, StatusCode};
use serde_json::json;

use super::call::with_type;
use crate::ledger::LedgerReads;
use crate::metrics::Metrics;

/// How long the ledger may take to reply to a ping.
const PING_DEADLINE: Duration = Duration::from_secs(1);

/// What probes and scrapers ask about.
pub struct Ops {
    /// The ledger, for readiness.
    pub ledger: Arc<dyn LedgerReads>,
    /// Rendered for scrapers.
    pub metrics: Arc<Metrics>,
    /// Set once the gateway has been told to stop: it takes no new work, and load balancers should
    /// know first.
    pub draining: AtomicBool,
}

impl Ops {
    /// Of a gateway that is not draining.
    pub fn new(ledger: Arc<dyn LedgerReads>, metrics: Arc<Metrics>) -> Ops {
        Ops { ledger, metrics, draining: AtomicBool::new(false) }
    }

    /// From now on not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// `GET /livez`, `/readyz` and `/metrics`.
pub fn ops_router(ops: Arc<Ops>) -> Router {
    let for_metrics = ops.clone();
    Router::new()
        .route(
            "/livez",
            get(async || with_type(StatusCode::OK, "ok\n", "text/plain; charset=utf-8")),
        )
        .route("/readyz", get(move || ready(ops)))
        .route("/metrics", get(move || metrics(for_metrics)))
}

/// `200 {"ready":true}`, or `503` naming what is not ready and why.
async fn ready(ops: Arc<Ops>) -> Response<Body> {
    let mut reasons = Vec::new();
    if ops.draining.load(Ordering::Relaxed) {
        reasons.push(
            json!({"what": "gateway", "detail": "it was told to stop and is finishing its work"}),
        );
    }
    let ledger = match tokio::time::timeout(PING_DEADLINE, ops.ledger.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault.to_string()),
        Err(_) => {
            Some(format!("the ledger did not answer within {} ms", PING_DEADLINE.as_millis()))
        }
    };
    reasons.extend(ledger.map(|detail| json!({"what": "ledger", "detail": detail})));
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = json!({"ready": reasons.is_empty(), "not_ready": reasons});
    with_type(status, answer.to_string(), "application/json")
}

async fn metrics(ops: Arc<Ops>) -> Response<Body> {
    with_type(StatusCode::OK, ops.metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
}
