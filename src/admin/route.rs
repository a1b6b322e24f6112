//! One call of the Admin API as data: method, path, who may make it, what it takes and gives.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Response};

use super::call::Call;
use super::problem::Problem;

/// What a handler returns.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send + 'a>>;

/// Who may make a call. Operator keys may make all; an account key those on its own account that
/// its scopes allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a key.
    Public,
    /// The scope `read`.
    Read,
    /// The scope `read` or `manage`.
    ReadOrManage,
    /// The scope `manage`.
    Manage,
    /// Operator keys only.
    Operator,
}

/// The body of a call; the name is that of a schema of the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No body.
    Nothing,
    /// A JSON object.
    Json(&'static str),
    /// A JSON object, or nothing for `{}`.
    MaybeJson(&'static str),
    /// A CSV file.
    Csv,
}

/// One call of the Admin API.
pub struct Route {
    /// `GET`, `POST`, ...
    pub method: Method,
    /// With its parts in braces; `{account}` is the account.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// The body.
    pub takes: Takes,
    /// The query parameters it knows.
    pub query: &'static [&'static str],
    /// Status and schema of its reply if all is well; an empty schema is an empty body.
    pub gives: &'static [(u16, &'static str)],
    /// What it does, in a sentence.
    pub about: &'static str,
    /// How long it may take once its body is there. What it does has deadlines of its own; this one
    /// is for their sum.
    pub deadline: Duration,
    /// The handler, called once everything else was checked.
    pub handler: for<'a> fn(&'a Call) -> Answer<'a>,
}
