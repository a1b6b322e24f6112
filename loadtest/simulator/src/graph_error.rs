//! Graph errors in Meta's shape: which HTTP status a code comes with, its text, and the JSON body.

use http::StatusCode;
use serde::Serialize;

/// What is known of one Graph error code: HTTP status and message text, from Meta's public error
/// tables. A code that Meta usually reports by webhook has the status it comes with in a response.
struct KnownError {
    code: i64,
    status: u16,
    text: &'static str,
}

const fn known(code: i64, status: u16, text: &'static str) -> KnownError {
    KnownError { code, status, text }
}

const KNOWN_ERRORS: &[KnownError] = &[
    known(0, 401, "AuthException"),
    known(1, 400, "API Unknown"),
    known(2, 503, "API Service"),
    known(3, 500, "API Method"),
    known(4, 400, "Application request limit reached"),
    known(10, 403, "Permission Denied"),
    known(33, 400, "Parameter value is not valid"),
    known(100, 400, "Invalid parameter"),
    known(190, 401, "Error validating access token: Session has expired"),
    known(200, 403, "Permissions error"),
    known(368, 403, "Temporarily blocked for policies violations"),
    known(2500, 400, "Unknown path components"),
    known(80007, 400, "Rate limit issues"),
    known(130429, 400, "Rate limit hit"),
    known(130472, 400, "User's number is part of an experiment"),
    known(130497, 403, "Business account is restricted from messaging users in this country."),
    known(131000, 500, "Something went wrong"),
    known(131005, 403, "Access denied"),
    known(131008, 400, "Required parameter is missing"),
    known(131009, 400, "Parameter value is not valid"),
    known(131016, 500, "Service unavailable"),
    known(131020, 400, "Group is not valid"),
    known(131021, 400, "Recipient cannot be sender"),
    known(131026, 400, "Message undeliverable"),
    known(131030, 400, "Recipient phone number not in allowed list"),
    known(131031, 403, "Account has been locked"),
    known(131037, 400, "Display name approval is needed"),
    known(131042, 400, "Business eligibility payment issue"),
    known(131045, 500, "Incorrect certificate"),
    known(131047, 400, "Re-engagement message"),
    known(131048, 400, "Spam rate limit hit"),
    known(131049, 400, "Meta chose not to deliver"),
    known(131050, 400, "User has stopped marketing messages"),
    known(131051, 400, "Unsupported message type"),
    known(131052, 400, "Media download error"),
    known(131053, 400, "Media upload error"),
    known(131055, 400, "Template is not a marketing template"),
    known(131056, 400, "(Business Account, Consumer Account) pair rate limit hit"),
    known(131057, 500, "Account in maintenance mode"),
    known(131062, 400, "BSUID recipient not supported"),
    known(131063, 400, "Marketing templates are disabled on Cloud API"),
    known(131064, 400, "Template category limit reached"),
    known(132000, 400, "Template Param Count Mismatch"),
    known(132001, 404, "Template name does not exist in the translation"),
    known(132005, 400, "Template Hydrated Text Too Long"),
    known(132007, 400, "Template Format Character Policy Violated"),
    known(132012, 400, "Template Parameter Format Mismatch"),
    known(132015, 400, "Template is Paused"),
    known(132016, 400, "Template is Disabled"),
    known(132068, 400, "Flow is blocked"),
    known(132069, 400, "Flow is throttled"),
    known(133004, 503, "Server Temporarily Unavailable"),
    known(133010, 400, "Phone number not registered"),
    known(134101, 400, "Template is not synced"),
    known(134102, 400, "Template is unavailable for use"),
    known(135000, 400, "Generic user error"),
];

/// One Graph error, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphError {
    pub(crate) code: i64,
    pub(crate) status: StatusCode,
    subcode: Option<i64>,
    text: &'static str,
    details: String,
}

impl GraphError {
    /// Returns the error `code` with Meta's status and text, or with HTTP 400 and a neutral text if
    /// no table lists the code.
    pub(crate) fn new(code: i64, details: impl Into<String>) -> GraphError {
        let entry = KNOWN_ERRORS.iter().find(|entry| entry.code == code);
        let status = entry.map_or(400, |entry| entry.status);
        GraphError {
            code,
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            subcode: None,
            text: entry.map_or("Unknown error", |entry| entry.text),
            details: details.into(),
        }
    }

    pub(crate) fn with_subcode(mut self, subcode: i64) -> GraphError {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> GraphError {
        self.status = status;
        self
    }

    /// Returns Meta's error for an object that does not exist or that the token may not see.
    pub(crate) fn unknown_object(id: &str) -> GraphError {
        GraphError::new(
            100,
            format!(
                "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due \
                 to missing permissions, or does not support this operation"
            ),
        )
        .with_subcode(33)
    }

    /// Returns the JSON body; `trace` becomes `fbtrace_id`.
    pub(crate) fn body(&self, trace: u64) -> Vec<u8> {
        // Token errors and the application limit carry no number in the text and no details.
        let bare = matches!(self.code, 0 | 190);
        let message = match bare {
            true => self.text.to_owned(),
            false => format!("(#{}) {}", self.code, self.text),
        };
        let envelope = Envelope {
            error: ErrorBody {
                message: &message,
                kind: "OAuthException",
                code: self.code,
                error_data: (!bare && !self.details.is_empty())
                    .then_some(ErrorData { messaging_product: "whatsapp", details: &self.details }),
                error_subcode: self.subcode,
                is_transient: matches!(self.code, 2 | 4).then_some(true),
                fbtrace_id: format!("A{trace:016x}"),
            },
        };
        serde_json::to_vec(&envelope).expect("a struct of strings and numbers serialises")
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_data: Option<ErrorData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_subcode: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_transient: Option<bool>,
    fbtrace_id: String,
}

#[derive(Serialize)]
struct ErrorData<'a> {
    messaging_product: &'a str,
    details: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error keeps the members of a documented example; text and trace id are free.
    fn check_like(example: &str, error: GraphError) {
        let path = format!("{}/../../tests/payloads/{example}", env!("CARGO_MANIFEST_DIR"));
        let example: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let ours: serde_json::Value = serde_json::from_slice(&error.body(7)).unwrap();
        let (example, ours) = (&example["error"], &ours["error"]);
        let members = |value: &serde_json::Value| {
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        let optional = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| name != "error_data").collect()
        };
        assert_eq!(optional(members(ours)), optional(members(example)));
        for name in ["code", "message", "type", "is_transient", "error_subcode"] {
            assert_eq!(ours[name], example[name], "{name}");
        }
    }

    #[test]
    fn errors_look_like_the_documented_examples() {
        check_like("resp-error-190.json", GraphError::new(190, "").with_subcode(463));
        check_like("resp-error-4.json", GraphError::new(4, ""));
        for code in [130429, 131042, 131056, 131062, 132001] {
            check_like(&format!("resp-error-{code}.json"), GraphError::new(code, "why"));
        }
    }

    #[test]
    fn every_code_is_listed_once() {
        for (index, entry) in KNOWN_ERRORS.iter().enumerate() {
            let again = KNOWN_ERRORS[..index].iter().any(|other| other.code == entry.code);
            assert!(!again, "{} is listed twice", entry.code);
        }
        assert_eq!(GraphError::new(4242, "").status, 400);
    }
}
