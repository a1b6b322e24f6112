//! Reads the error object of the Graph API, whose shape varies by endpoint and version.

use serde_json::Value;

/// The content of a Graph error; only `code` decides anything, the texts change and are localised.
///
/// Shape: `{"error":{"message","type","code","error_data":{"details"},"error_subcode"?,`
/// `"is_transient"?,"fbtrace_id"}}`; `error_data` may be a plain string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// For example 131056.
    pub code: i64,
    /// Refines `code` for a few errors, for example 463 under 190.
    pub subcode: Option<i64>,
    /// Meta's headline; may be empty.
    pub message: String,
    /// `error_data.details`, or `error_data` itself if it is a string.
    pub details: Option<String>,
    /// Meta's own hint that a repeat may help.
    pub is_transient: bool,
    /// What Meta's support asks for.
    pub trace_id: Option<String>,
}

impl GraphError {
    /// Reads `body`; `None` unless it is a JSON object with an `error` object that has an integral
    /// `code`.
    pub fn read(body: &[u8]) -> Option<GraphError> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let error = answer.get("error")?.as_object()?;
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let data = error.get("error_data");
        let details = data
            .and_then(|data| data.as_str().or_else(|| data.get("details")?.as_str()))
            .map(str::to_owned);
        Some(GraphError {
            code: integer(error.get("code")?)?,
            subcode: error.get("error_subcode").and_then(integer),
            message: text("message").unwrap_or_default(),
            details,
            is_transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or(false),
            trace_id: text("fbtrace_id"),
        })
    }
}

/// An integer, also one written as a string.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::GraphError;

    #[test]
    fn the_usual_shape_is_read_whole() {
        let body = br##"{"error":{"message":"(#131056) pair rate limit hit",
            "type":"OAuthException","code":131056,"error_subcode":"463","is_transient":true,
            "error_data":{"messaging_product":"whatsapp","details":"Too many."},
            "fbtrace_id":"A"}}"##;
        let expected = GraphError {
            code: 131_056,
            subcode: Some(463),
            message: "(#131056) pair rate limit hit".to_owned(),
            details: Some("Too many.".to_owned()),
            is_transient: true,
            trace_id: Some("A".to_owned()),
        };
        assert_eq!(GraphError::read(body), Some(expected));
    }

    #[test]
    fn odd_shapes_are_read_as_far_as_they_go() {
        for (body, code, details) in [
            (r#"{"error":{"code":2,"error_data":"plain"}}"#, Some(2), Some("plain")),
            (r#"{"error":{"code":2,"error_data":[1]}}"#, Some(2), None),
            (r#"{"error":{"code":"190"},"more":1}"#, Some(190), None),
            (r#"{"error":{"code":-1,"message":7}}"#, Some(-1), None),
            (r#"{"error":{"message":"x"}}"#, None, None),
            (r#"{"error":{"code":1.5}}"#, None, None),
            (r#"{"error":"x"}"#, None, None),
            (r#"[{"error":{"code":2}}]"#, None, None),
            ("<html>502</html>", None, None),
            ("", None, None),
        ] {
            let error = GraphError::read(body.as_bytes());
            assert_eq!(error.as_ref().map(|error| error.code), code, "{body}");
            assert_eq!(error.and_then(|error| error.details).as_deref(), details, "{body}");
        }
    }
}
