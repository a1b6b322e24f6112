//! Liveness, readiness and metrics: what probes and scrapers ask, without a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Response, StatusCode};
use serde_json::json;

use super::call::with_type;
use crate::ledger::readiness::Readiness;
use crate::metrics::Metrics;

/// What probes and scrapers ask about.
pub struct Ops {
    /// Whether the ledger can decide sends.
    pub readiness: Arc<Readiness>,
    /// Rendered for scrapers.
    pub metrics: Arc<Metrics>,
    /// Set once the gateway has been told to stop: it takes no new work, and load balancers should
    /// know first.
    pub draining: AtomicBool,
}

impl Ops {
    /// Of a gateway that is not draining.
    pub fn new(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Ops {
        Ops { readiness, metrics, draining: AtomicBool::new(false) }
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
        let detail = "it was told to stop and is finishing its work";
        reasons.push(json!({"what": "gateway", "reason": "draining", "detail": detail}));
    }
    if let Err(fault) = ops.readiness.check().await {
        let reason = fault.reason().as_str();
        reasons.push(json!({"what": "ledger", "reason": reason, "detail": fault.to_string()}));
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = json!({"ready": reasons.is_empty(), "not_ready": reasons});
    with_type(status, answer.to_string(), "application/json")
}

async fn metrics(ops: Arc<Ops>) -> Response<Body> {
    with_type(StatusCode::OK, ops.metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
}
