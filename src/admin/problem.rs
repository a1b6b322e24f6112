//! The reply to a call that was not done: problem documents (RFC 9457) with a
//! code machines switch on.

use std::fmt;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::control::{Conflict, ControlError, FieldError};
use crate::ledger::LedgerFault;
use crate::ledger::batcher::CallFault;

/// What went wrong: the code is contract, the title is for people and the same each time.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// HTTP status.
    pub status: StatusCode,
    /// The name that programs switch on.
    pub code: &'static str,
    /// One sentence, the same for every problem of this kind.
    pub title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:ident $code:tt $title:tt;)*) => {
        $(#[doc = "The kind of that name."]
        pub static $name: Kind = Kind { status: StatusCode::$status, code: $code, title: $title };)*

        /// Every kind there is.
        pub static KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED = BAD_REQUEST "malformed" "The request is not well formed";
    NOT_SUPPORTED = BAD_REQUEST "not_supported" "This is not in this version";
    UNAUTHORIZED = UNAUTHORIZED "unauthorized" "No valid key was presented";
    FORBIDDEN = FORBIDDEN "forbidden" "The key may not do this";
    NOT_FOUND = NOT_FOUND "not_found" "There is no such thing";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed" "The path has no such method";
    SLOW = REQUEST_TIMEOUT "request_timeout" "The request did not arrive in time";
    EXISTS = CONFLICT (Conflict::Exists.code()) (Conflict::Exists.title());
    CAMPAIGN_EXISTS = CONFLICT (Conflict::CampaignExists.code()) (Conflict::CampaignExists.title());
    CAMPAIGN_FINISHED = CONFLICT
        (Conflict::CampaignFinished.code()) (Conflict::CampaignFinished.title());
    CLAIMED = CONFLICT (Conflict::Claimed.code()) (Conflict::Claimed.title());
    REFERENCE_CONFLICT = CONFLICT
        (Conflict::ReferenceConflict.code()) (Conflict::ReferenceConflict.title());
    WALLET_EXHAUSTED = CONFLICT
        (Conflict::WalletExhausted.code()) (Conflict::WalletExhausted.title());
    INSUFFICIENT_BALANCE = CONFLICT "insufficient_balance" "Not enough credits";
    HOLD_OPEN = CONFLICT (Conflict::HoldOpen.code()) (Conflict::HoldOpen.title());
    VERSION_IN_FORCE = CONFLICT
        (Conflict::VersionInForce.code()) (Conflict::VersionInForce.title());
    NOT_CONFIGURED = CONFLICT (Conflict::NotConfigured.code()) (Conflict::NotConfigured.title());
    CONTENDED = CONFLICT (Conflict::Contended.code()) (Conflict::Contended.title());
    TOO_LARGE = PAYLOAD_TOO_LARGE "too_large" "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type"
        "The body is of another type than this call takes";
    INVALID = UNPROCESSABLE_ENTITY "invalid" "The content does not fit";
    INTERNAL = INTERNAL_SERVER_ERROR "internal" "The gateway made a mistake";
    UPSTREAM_REFUSED = BAD_GATEWAY "upstream_refused" "Meta refused to answer";
    UPSTREAM_UNAVAILABLE = BAD_GATEWAY "upstream_unavailable"
        "Meta gave no answer that can be read";
    OVERLOADED = SERVICE_UNAVAILABLE "overloaded" "Too much is waiting";
    LEDGER_UNAVAILABLE = SERVICE_UNAVAILABLE "ledger_unavailable" "The ledger does not answer";
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongField {
    /// Its path in the body, `caps[0].max`; a query parameter's or a column's name.
    pub field: String,
    /// The line of a file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong with it.
    pub detail: String,
}

impl From<FieldError> for WrongField {
    fn from(FieldError { field, line, detail }: FieldError) -> WrongField {
        WrongField { field, line, detail }
    }
}

/// The reply to a call that was not done. It changed nothing, unless its detail states otherwise.
#[derive(Debug)]
pub struct Problem {
    /// Code, status and title.
    pub kind: &'static Kind,
    /// One sentence with the particulars.
    pub detail: String,
    /// The wrong fields, all of them.
    pub errors: Vec<WrongField>,
    /// Further members: `needed`, `available`, `shortfall`, `currency`, `allow`.
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), errors: Vec::new(), more: Map::new() }
    }

    /// No such thing; also for what the key may not know about.
    pub fn unknown(what: &str, id: impl fmt::Display) -> Problem {
        Problem::new(&NOT_FOUND, format!("there is no {what} {id}"))
    }

    /// One field that does not fit.
    pub fn field(field: &str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        let sentence = format!("{field}: {detail}");
        let wrong = WrongField { field: field.to_owned(), line: None, detail };
        Problem { errors: vec![wrong], ..Problem::new(&INVALID, sentence) }
    }

    /// The same about content, not about the form of the request.
    pub fn of_content(self) -> Problem {
        Problem { kind: &INVALID, ..self }
    }

    /// The path has no such method, but these.
    pub fn method_not_allowed(allow: &str) -> Problem {
        let mut problem = Problem::new(&METHOD_NOT_ALLOWED, format!("this path has {allow}"));
        problem.more.insert("allow".into(), allow.into());
        problem
    }

    /// Something that cannot happen did; the particulars go to the log.
    pub fn internal(what: &str, particulars: &dyn fmt::Debug) -> Problem {
        tracing::error!(?particulars, "{what}");
        Problem::new(&INTERNAL, what)
    }

    /// As a response; `request_id` is for whoever reads the log.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        let kind = self.kind;
        let mut document = json!({
            "type": format!("urn:tollgate:problem:{}", kind.code),
            "title": kind.title,
            "status": kind.status.as_u16(),
            "code": kind.code,
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Some(members) = document.as_object_mut() {
            members.extend(self.more.clone());
            if !self.errors.is_empty() {
                members.insert("errors".into(), json!(self.errors));
            }
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = kind.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match kind.status {
            StatusCode::UNAUTHORIZED => {
                drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => {}
        }
        if let Some(allow) = self
            .more
            .get("allow")
            .and_then(Value::as_str)
            .and_then(|allow| HeaderValue::from_str(allow).ok())
        {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.title, self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<LedgerFault> for Problem {
    fn from(fault: LedgerFault) -> Problem {
        Problem::new(&LEDGER_UNAVAILABLE, fault.to_string())
    }
}

/// The only place that turns what a business operation reports into HTTP.
impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Problem {
        let detail = error.detail();
        match error {
            ControlError::Invalid { fields, .. } => {
                let errors = fields.into_iter().map(WrongField::from).collect();
                Problem { errors, ..Problem::new(&INVALID, detail) }
            }
            ControlError::Forbidden(_) => Problem::new(&FORBIDDEN, detail),
            ControlError::NotFound(_) => Problem::new(&NOT_FOUND, detail),
            ControlError::Conflict(conflict, _) => Problem::new(conflict_kind(conflict), detail),
            ControlError::Shortfall { needed, available, currency, .. } => {
                let shortfall = needed.checked_sub(available).unwrap_or(needed);
                let numbers = json!({
                    "needed": needed,
                    "available": available,
                    "shortfall": shortfall,
                    "currency": currency,
                });
                let more = numbers.as_object().cloned().unwrap_or_default();
                Problem { more, ..Problem::new(&INSUFFICIENT_BALANCE, detail) }
            }
            ControlError::Ledger(CallFault::Overloaded) => Problem::new(&OVERLOADED, detail),
            ControlError::Ledger(_) => Problem::new(&LEDGER_UNAVAILABLE, detail),
            ControlError::UpstreamRefused(_) => Problem::new(&UPSTREAM_REFUSED, detail),
            ControlError::UpstreamUnavailable(_) => Problem::new(&UPSTREAM_UNAVAILABLE, detail),
            ControlError::Internal(_) => Problem::new(&INTERNAL, detail),
        }
    }
}

const fn conflict_kind(conflict: Conflict) -> &'static Kind {
    match conflict {
        Conflict::Exists => &EXISTS,
        Conflict::CampaignExists => &CAMPAIGN_EXISTS,
        Conflict::CampaignFinished => &CAMPAIGN_FINISHED,
        Conflict::Claimed => &CLAIMED,
        Conflict::ReferenceConflict => &REFERENCE_CONFLICT,
        Conflict::WalletExhausted => &WALLET_EXHAUSTED,
        Conflict::HoldOpen => &HOLD_OPEN,
        Conflict::VersionInForce => &VERSION_IN_FORCE,
        Conflict::NotConfigured => &NOT_CONFIGURED,
        Conflict::Contended => &CONTENDED,
    }
}
