//! What became of a forwarded message: accepted, refused or unknown, decided by one table.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::graph_error::GraphError;

/// What upstream did with one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It will be sent; not yet delivered.
    Accepted {
        /// `messages[0].id`.
        message_id: String,
    },
    /// It was not sent and will not be.
    Refused {
        /// The Graph error's code.
        code: i64,
    },
    /// It may or may not have been sent.
    Unknown {
        /// Why that is unknown.
        reason: UnknownReason,
    },
}

/// Why it is unknown what upstream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownReason {
    /// No answer within the deadline.
    Deadline,
    /// The connection ended before the answer was complete.
    ConnectionLost,
    /// The answer is not HTTP, or larger than an answer may be.
    UnreadableAnswer,
    /// A 2xx without the id of a message.
    NoMessageId,
    /// A 4xx without a Graph error.
    NoGraphError,
    /// A 5xx without a code that means that the message was not sent.
    ServerError,
    /// Any other status.
    UnexpectedStatus,
}

impl UnknownReason {
    /// A name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            UnknownReason::Deadline => "deadline",
            UnknownReason::ConnectionLost => "connection_lost",
            UnknownReason::UnreadableAnswer => "unreadable_answer",
            UnknownReason::NoMessageId => "no_message_id",
            UnknownReason::NoGraphError => "no_graph_error",
            UnknownReason::ServerError => "server_error",
            UnknownReason::UnexpectedStatus => "unexpected_status",
        }
    }
}

/// The content an answer must have for a row to apply.
enum Holds {
    /// `messages[0].id`.
    MessageId,
    /// A Graph error with any code.
    AnyGraphError,
    /// A Graph error with one of these codes.
    GraphErrorOf(&'static [i64]),
    /// Any body, also none.
    Anything,
}

/// What a row decides.
enum Verdict {
    Accepted,
    Refused,
    Unknown(UnknownReason),
}

/// Codes that mean on a 5xx that the message was not sent: service unavailable (2, 131016, 133004)
/// and number in maintenance (131057).
const NOT_SENT_CODES: &[i64] = &[2, 131_016, 131_057, 133_004];

/// The first row that applies decides; an answer to which no row applies has an unexpected status.
const TABLE: [(RangeInclusive<u16>, Holds, Verdict); 6] = [
    (200..=299, Holds::MessageId, Verdict::Accepted),
    (200..=299, Holds::Anything, Verdict::Unknown(UnknownReason::NoMessageId)),
    (400..=499, Holds::AnyGraphError, Verdict::Refused),
    (400..=499, Holds::Anything, Verdict::Unknown(UnknownReason::NoGraphError)),
    (500..=599, Holds::GraphErrorOf(NOT_SENT_CODES), Verdict::Refused),
    (500..=599, Holds::Anything, Verdict::Unknown(UnknownReason::ServerError)),
];

/// Returns what upstream did with a message, from the complete answer to the send.
pub fn judge(status: u16, body: &[u8]) -> Outcome {
    for (statuses, holds, verdict) in &TABLE {
        if !statuses.contains(&status) {
            continue;
        }
        let (message_id, code) = match holds {
            Holds::Anything => (None, None),
            Holds::MessageId => (message_id(body), None),
            Holds::AnyGraphError => (None, GraphError::read(body).map(|error| error.code)),
            Holds::GraphErrorOf(codes) => (
                None,
                GraphError::read(body).map(|error| error.code).filter(|code| codes.contains(code)),
            ),
        };
        match (verdict, message_id, code) {
            (Verdict::Accepted, Some(message_id), _) => return Outcome::Accepted { message_id },
            (Verdict::Refused, _, Some(code)) => return Outcome::Refused { code },
            (Verdict::Unknown(reason), _, _) => return Outcome::Unknown { reason: *reason },
            _ => {}
        }
    }
    Outcome::Unknown { reason: UnknownReason::UnexpectedStatus }
}

/// Whether a read receipt was taken: 2xx with `{"success":true}`.
pub fn read_receipt_taken(status: u16, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
    }
    (200..=299).contains(&status)
        && serde_json::from_slice::<Answer>(body).is_ok_and(|answer| answer.success)
}

/// `messages[0].id`, if it is a text that is not empty.
fn message_id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        messages: Vec<Accepted<'a>>,
    }
    #[derive(Deserialize)]
    struct Accepted<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let id = answer.messages.into_iter().next()?.id;
    (!id.is_empty()).then(|| id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, UnknownReason, judge, read_receipt_taken};

    const ACCEPTED: &str = concat!(
        r#"{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"#,
        r#""messages":[{"id":"wamid.A"}]}"#
    );

    #[track_caller]
    fn check(status: u16, body: &str, expected: Outcome) {
        assert_eq!(judge(status, body.as_bytes()), expected, "{status} {body}");
    }

    fn graph_error(code: i64) -> String {
        let rest = r#""type":"OAuthException","error_data":"plain""#;
        format!(r##"{{"error":{{"message":"(#{code})","code":{code},{rest}}}}}"##)
    }

    fn unknown(reason: UnknownReason) -> Outcome {
        Outcome::Unknown { reason }
    }

    #[test]
    fn a_message_id_is_acceptance() {
        let accepted = |id: &str| Outcome::Accepted { message_id: id.to_owned() };
        check(200, ACCEPTED, accepted("wamid.A"));
        check(202, ACCEPTED, accepted("wamid.A"));
        check(
            200,
            concat!(
                r#"{"success":true,"messages":[{"id":"a\u0062","#,
                r#""message_status":"held_for_quality_assessment"}]}"#
            ),
            accepted("ab"),
        );
        check(200, r#"{"messages":[{"id":"a"},{"id":"b"}]}"#, accepted("a"));
    }

    #[test]
    fn a_success_without_an_id_is_unknown() {
        for body in [
            "",
            "{}",
            r#"{"success":true}"#,
            r#"{"messages":[]}"#,
            r#"{"messages":[{"id":""}]}"#,
            r#"{"messages":[{"id":7}]}"#,
            r#"{"messages":{"id":"a"}}"#,
            &ACCEPTED[..ACCEPTED.len() - 1],
            "<html>",
            &graph_error(131_056),
        ] {
            check(200, body, unknown(UnknownReason::NoMessageId));
        }
    }

    #[test]
    fn a_graph_error_on_a_4xx_is_refusal() {
        for (status, code) in
            [(400, 131_056), (400, 2), (401, 190), (403, 10), (404, 132_001), (429, 4), (499, 0)]
        {
            check(status, &graph_error(code), Outcome::Refused { code });
        }
    }

    #[test]
    fn a_4xx_without_a_graph_error_is_unknown() {
        for body in ["", "<html>blocked</html>", ACCEPTED, r#"{"error":"x"}"#] {
            check(403, body, unknown(UnknownReason::NoGraphError));
        }
    }

    #[test]
    fn a_5xx_refuses_only_by_its_code() {
        for code in [2, 131_016, 131_057, 133_004] {
            check(500, &graph_error(code), Outcome::Refused { code });
            check(503, &graph_error(code), Outcome::Refused { code });
        }
    }

    #[test]
    fn any_other_5xx_is_unknown() {
        for body in [
            graph_error(131_000),
            graph_error(1),
            graph_error(3),
            String::new(),
            ACCEPTED.to_owned(),
        ] {
            check(500, &body, unknown(UnknownReason::ServerError));
            check(599, &body, unknown(UnknownReason::ServerError));
        }
    }

    #[test]
    fn any_other_status_is_unknown() {
        for status in [101, 302, 304, 600, 999] {
            check(status, ACCEPTED, unknown(UnknownReason::UnexpectedStatus));
            check(status, &graph_error(2), unknown(UnknownReason::UnexpectedStatus));
        }
    }

    #[test]
    fn a_read_receipt_is_taken_with_success() {
        assert!(read_receipt_taken(200, br#"{"success":true}"#));
        for (status, body) in [
            (200, r#"{"success":false}"#),
            (200, "{}"),
            (200, ACCEPTED),
            (500, r#"{"success":true}"#),
        ] {
            assert!(!read_receipt_taken(status, body.as_bytes()), "{status} {body}");
        }
    }
}
