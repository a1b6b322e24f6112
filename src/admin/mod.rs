//! The Admin API: HTTP only. The spine takes every call through the same steps; which calls there
//! are is the table in [`routes`]; each resource is a thin file there that parses, calls
//! [`crate::control`] and shapes the reply.

mod call;
mod openapi;
pub mod ops;
pub mod problem;
pub mod route;
pub mod routes;
mod spine;

use std::sync::Arc;

use axum::Router;
use hyper_util::service::TowerToHyperService;

use crate::control::Control;
use ops::Ops;

/// The Admin API with `/livez`, `/readyz` and `/metrics`.
pub fn router(control: Arc<Control>, ops: Arc<Ops>) -> Router {
    spine::mount(ops::ops_router(ops), control)
}

/// A router as a service for [`crate::http::listener::serve`].
pub fn service(router: Router) -> TowerToHyperService<Router> {
    TowerToHyperService::new(router)
}
