//! What became of a forwarded message: accepted, refused or unknown, decided by one table.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use hyper::HeaderMap;
use serde::Deserialize;

use super::contact::{Contact, contact};
use super::encoding::{MAX_DECODED, decoded};
use super::graph_error::GraphError;

/// What upstream did with one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It will be sent; not yet delivered.
    Accepted {
        /// `messages[0].id`.
        message_id: String,
        /// Who it is for.
        contact: Contact,
    },
    /// It was not sent and will not be.
    Refused {
        /// Who refused it, and how.
        by: RefusedBy,
    },
    /// It may or may not have been sent.
    Unknown {
        /// Why that is unknown.
        reason: UnknownReason,
    },
}

impl Outcome {
    /// Whose words the answer is that led to this outcome.
    pub const fn answered_by(&self) -> AnsweredBy {
        match self {
            Outcome::Accepted { .. } | Outcome::Refused { by: RefusedBy::Graph { .. } } => {
                AnsweredBy::Graph
            }
            Outcome::Refused { by: RefusedBy::Intermediary { .. } } | Outcome::Unknown { .. } => {
                AnsweredBy::Intermediary
            }
        }
    }
}

/// Who refused a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// Graph, with this code.
    Graph {
        /// The Graph error's code.
        code: i64,
    },
    /// Something in front of Graph - a proxy, a firewall, a portal -, which did not pass it on.
    Intermediary {
        /// The HTTP status it answered with.
        status: u16,
    },
}

/// Whose words an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// Graph's: it names a message, reports success or carries a Graph error.
    Graph,
    /// Of something in front of Graph.
    Intermediary,
}

/// Why it is unknown what upstream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownReason {
    /// No answer within the deadline.
    Deadline,
    /// The connection ended before the answer was complete.
    ConnectionLost,
    /// The answer is not HTTP, larger than an answer may be, or encoded in an unknown way.
    UnreadableAnswer,
    /// A 2xx without the id of a message.
    NoMessageId,
    /// A 408 or 499: somebody on the way gave up waiting, and may have passed the message on
    /// before.
    GaveUp,
    /// A 5xx without a code that means that the message was not sent.
    ServerError,
    /// A status that contradicts the answer's content, or that no answer has.
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
            UnknownReason::GaveUp => "gave_up",
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
    /// Content in an encoding that cannot be undone.
    Undecodable,
    /// Any body, also none.
    Anything,
}

/// What a row decides.
enum Verdict {
    Accepted,
    RefusedByGraph,
    RefusedByIntermediary,
    Unknown(UnknownReason),
}

/// Codes that mean on a 5xx that the message was not sent: service unavailable (2, 131016, 133004)
/// and number in maintenance (131057).
const NOT_SENT_CODES: &[i64] = &[2, 131_016, 131_057, 133_004];

/// The first row that applies decides; an answer to which no row applies has an unexpected status.
/// Who waits for an answer and gives up has answered nothing, so 408 and 499 prove nothing, not
/// even with a Graph error; and an id is proof of a message, whatever the status beside it.
const TABLE: [(RangeInclusive<u16>, Holds, Verdict); 12] = [
    (200..=299, Holds::MessageId, Verdict::Accepted),
    (200..=299, Holds::Undecodable, Verdict::Unknown(UnknownReason::UnreadableAnswer)),
    (200..=299, Holds::Anything, Verdict::Unknown(UnknownReason::NoMessageId)),
    (408..=408, Holds::Anything, Verdict::Unknown(UnknownReason::GaveUp)),
    (499..=499, Holds::Anything, Verdict::Unknown(UnknownReason::GaveUp)),
    (300..=499, Holds::MessageId, Verdict::Unknown(UnknownReason::UnexpectedStatus)),
    (300..=399, Holds::AnyGraphError, Verdict::RefusedByGraph),
    (300..=399, Holds::Anything, Verdict::RefusedByIntermediary),
    (400..=499, Holds::AnyGraphError, Verdict::RefusedByGraph),
    (400..=499, Holds::Anything, Verdict::RefusedByIntermediary),
    (500..=599, Holds::GraphErrorOf(NOT_SENT_CODES), Verdict::RefusedByGraph),
    (500..=599, Holds::Anything, Verdict::Unknown(UnknownReason::ServerError)),
];

/// What an answer holds.
struct Content {
    message_id: Option<String>,
    /// Read only if there is a message.
    contact: Contact,
    code: Option<i64>,
    undecodable: bool,
}

impl Content {
    /// Reads an answer for what it is: decoded, and without a byte order mark.
    fn read(headers: &HeaderMap, body: &[u8]) -> Content {
        let Ok(body) = decoded(headers, body, MAX_DECODED) else {
            let contact = Contact::default();
            return Content { message_id: None, contact, code: None, undecodable: true };
        };
        let body = without_mark(&body);
        if let Some((message_id, contact)) = usual(body) {
            let message_id = Some(message_id);
            return Content { message_id, contact, code: None, undecodable: false };
        }
        let message_id = message_id(body);
        // An id says enough.
        let (contact, error) = match &message_id {
            Some(_) => (contact(body), None),
            None => (Contact::default(), GraphError::read(body)),
        };
        Content { message_id, contact, code: error.map(|error| error.code), undecodable: false }
    }

    fn has(&self, holds: &Holds) -> bool {
        match holds {
            Holds::MessageId => self.message_id.is_some(),
            Holds::AnyGraphError => self.code.is_some(),
            Holds::GraphErrorOf(codes) => self.code.is_some_and(|code| codes.contains(&code)),
            Holds::Undecodable => self.undecodable,
            Holds::Anything => true,
        }
    }
}

/// Returns what upstream did with a message, from the complete answer to the send.
pub fn judge(status: u16, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let content = Content::read(headers, body);
    let row = TABLE
        .iter()
        .find(|(statuses, holds, _)| statuses.contains(&status) && content.has(holds))
        .map(|(_, _, verdict)| verdict);
    match (row, content.message_id, content.code) {
        (Some(Verdict::Accepted), Some(message_id), _) => {
            Outcome::Accepted { message_id, contact: content.contact }
        }
        (Some(Verdict::RefusedByGraph), _, Some(code)) => {
            Outcome::Refused { by: RefusedBy::Graph { code } }
        }
        (Some(Verdict::RefusedByIntermediary), _, _) => {
            Outcome::Refused { by: RefusedBy::Intermediary { status } }
        }
        (Some(Verdict::Unknown(reason)), _, _) => Outcome::Unknown { reason: *reason },
        _ => Outcome::Unknown { reason: UnknownReason::UnexpectedStatus },
    }
}

/// Returns whose words the answer to a read receipt is.
pub fn answered_by(headers: &HeaderMap, body: &[u8]) -> AnsweredBy {
    #[derive(Deserialize)]
    struct Answer {
        #[expect(dead_code, reason = "its presence is what counts")]
        success: bool,
    }
    let content = Content::read(headers, body);
    let succeeded = || {
        decoded(headers, body, MAX_DECODED)
            .is_ok_and(|body| serde_json::from_slice::<Answer>(without_mark(&body)).is_ok())
    };
    if content.message_id.is_some() || content.code.is_some() || succeeded() {
        AnsweredBy::Graph
    } else {
        AnsweredBy::Intermediary
    }
}

/// Without the byte order mark that some servers put before a text.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// One message in an answer.
#[derive(Deserialize)]
struct Accepted<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// `messages[0].id` and `contacts[0]` of an answer that has both, as nearly all have, read at once.
fn usual(body: &[u8]) -> Option<(String, Contact)> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        messages: Vec<Accepted<'a>>,
        contacts: Vec<Contact>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let contact = answer.contacts.into_iter().next().unwrap_or_default();
    Some((first(answer.messages)?, contact))
}

/// `messages[0].id`, whatever the rest is.
fn message_id(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        messages: Vec<Accepted<'a>>,
    }
    first(serde_json::from_slice::<Answer<'_>>(body).ok()?.messages)
}

/// The first id, if it is not empty.
fn first(messages: Vec<Accepted<'_>>) -> Option<String> {
    let id = messages.into_iter().next()?.id;
    (!id.is_empty()).then(|| id.into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use hyper::HeaderMap;
    use hyper::header::{CONTENT_ENCODING, HeaderValue};

    use super::{AnsweredBy, Contact, Outcome, RefusedBy, UnknownReason, answered_by, judge};

    const ACCEPTED: &str = concat!(
        r#"{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"#,
        r#""messages":[{"id":"wamid.A"}]}"#
    );

    /// What firewalls, portals and load balancers answer.
    const FOREIGN: [&str; 7] = [
        "",
        "<html>blocked</html>",
        "Bad Gateway",
        r#"{"error":"x"}"#,
        r#"{"error":{"message":"no code"}}"#,
        "null",
        "{",
    ];

    #[track_caller]
    fn check(status: u16, body: &str, expected: Outcome) {
        check_encoded(None, status, body.as_bytes(), expected);
    }

    #[track_caller]
    fn check_encoded(encoding: Option<&'static str>, status: u16, body: &[u8], expected: Outcome) {
        let headers: HeaderMap = encoding
            .map(|name| (CONTENT_ENCODING, HeaderValue::from_static(name)))
            .into_iter()
            .collect();
        let text = String::from_utf8_lossy(body);
        assert_eq!(judge(status, &headers, body), expected, "{status} {encoding:?} {text}");
    }

    fn graph_error(code: i64) -> String {
        let rest = r#""type":"OAuthException","error_data":"plain""#;
        format!(r##"{{"error":{{"message":"(#{code})","code":{code},{rest}}}}}"##)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// Accepted, for `wa_id`.
    fn accepted(id: &str, wa_id: Option<&str>) -> Outcome {
        let contact = Contact { wa_id: wa_id.map(str::to_owned), user_id: None };
        Outcome::Accepted { message_id: id.to_owned(), contact }
    }

    fn refused(code: i64) -> Outcome {
        Outcome::Refused { by: RefusedBy::Graph { code } }
    }

    fn blocked(status: u16) -> Outcome {
        Outcome::Refused { by: RefusedBy::Intermediary { status } }
    }

    fn unknown(reason: UnknownReason) -> Outcome {
        Outcome::Unknown { reason }
    }

    #[test]
    fn a_message_id_is_acceptance() {
        check(200, ACCEPTED, accepted("wamid.A", Some("1")));
        check(202, ACCEPTED, accepted("wamid.A", Some("1")));
        check(
            200,
            concat!(
                r#"{"success":true,"messages":[{"id":"a\u0062","#,
                r#""message_status":"held_for_quality_assessment"}]}"#
            ),
            accepted("ab", None),
        );
        check(200, r#"{"messages":[{"id":"a"},{"id":"b"}]}"#, accepted("a", None));
    }

    #[test]
    fn a_success_that_cannot_be_decoded_is_unreadable() {
        let cut = gzip(ACCEPTED);
        for (encoding, body) in [("br", ACCEPTED.as_bytes()), ("gzip", &cut[..cut.len() - 9])] {
            let expected = unknown(UnknownReason::UnreadableAnswer);
            check_encoded(Some(encoding), 200, body, expected);
        }
    }

    #[test]
    fn a_success_without_an_id_is_unknown() {
        for body in FOREIGN.into_iter().chain([
            "{}",
            r#"{"success":true}"#,
            r#"{"messages":[]}"#,
            r#"{"messages":[{"id":""}]}"#,
            r#"{"messages":[{"id":7}]}"#,
            r#"{"messages":{"id":"a"}}"#,
            &ACCEPTED[..ACCEPTED.len() - 1],
            &graph_error(131_056),
        ]) {
            check(200, body, unknown(UnknownReason::NoMessageId));
        }
    }

    #[test]
    fn whoever_gave_up_waiting_proves_nothing() {
        for status in [408, 499] {
            for body in FOREIGN.into_iter().chain([ACCEPTED, &graph_error(131_056)]) {
                check(status, body, unknown(UnknownReason::GaveUp));
            }
        }
    }

    #[test]
    fn an_id_beside_a_refusing_status_is_a_contradiction() {
        for status in [302, 307, 400, 403, 429] {
            check(status, ACCEPTED, unknown(UnknownReason::UnexpectedStatus));
        }
    }

    #[test]
    fn a_graph_error_on_a_3xx_is_refusal() {
        check(302, &graph_error(190), refused(190));
    }

    #[test]
    fn a_redirect_is_refusal_by_an_intermediary() {
        for status in [300, 301, 302, 303, 304, 307, 308, 399] {
            for body in FOREIGN {
                check(status, body, blocked(status));
            }
        }
    }

    #[test]
    fn a_graph_error_on_a_4xx_is_refusal() {
        for (status, code) in
            [(400, 131_056), (400, 2), (401, 190), (403, 10), (404, 132_001), (429, 4), (498, 0)]
        {
            check(status, &graph_error(code), refused(code));
        }
    }

    #[test]
    fn a_4xx_without_a_graph_error_is_refusal_by_an_intermediary() {
        for status in [400, 401, 403, 404, 407, 411, 413, 421, 425, 429, 431, 451, 498] {
            for body in FOREIGN {
                check(status, body, blocked(status));
            }
            check_encoded(Some("br"), status, graph_error(4).as_bytes(), blocked(status));
        }
    }

    #[test]
    fn a_5xx_refuses_only_by_its_code() {
        for code in [2, 131_016, 131_057, 133_004] {
            check(500, &graph_error(code), refused(code));
            check(503, &graph_error(code), refused(code));
        }
    }

    #[test]
    fn any_other_5xx_is_unknown() {
        let others = [graph_error(131_000), graph_error(1), graph_error(3)];
        for body in FOREIGN.into_iter().chain([ACCEPTED]).chain(others.iter().map(String::as_str)) {
            check(500, body, unknown(UnknownReason::ServerError));
            check(599, body, unknown(UnknownReason::ServerError));
        }
        let expected = unknown(UnknownReason::ServerError);
        check_encoded(Some("br"), 502, graph_error(2).as_bytes(), expected);
    }

    #[test]
    fn any_other_status_is_unknown() {
        for status in [101, 199, 600, 999] {
            check(status, ACCEPTED, unknown(UnknownReason::UnexpectedStatus));
            check(status, &graph_error(2), unknown(UnknownReason::UnexpectedStatus));
        }
    }

    #[test]
    fn encoding_and_byte_order_mark_do_not_change_what_an_answer_says() {
        let marked = |text: &str| format!("\u{feff}{text}");
        for (status, body, expected) in [
            (200, ACCEPTED.to_owned(), accepted("wamid.A", Some("1"))),
            (400, graph_error(131_056), refused(131_056)),
            (503, graph_error(131_016), refused(131_016)),
            (200, "<html>portal</html>".to_owned(), unknown(UnknownReason::NoMessageId)),
        ] {
            check(status, &marked(&body), expected.clone());
            check_encoded(Some("gzip"), status, &gzip(&body), expected.clone());
            check_encoded(Some("gzip"), status, &gzip(&marked(&body)), expected.clone());
            check_encoded(None, status, &gzip(&body), expected);
        }
    }

    #[test]
    fn an_answer_says_whose_it_is() {
        let check = |body: &str, expected| {
            assert_eq!(answered_by(&HeaderMap::new(), body.as_bytes()), expected, "{body}");
        };
        for body in
            [ACCEPTED, r#"{"success":true}"#, &graph_error(190), "\u{feff}{\"success\":true}"]
        {
            check(body, AnsweredBy::Graph);
        }
        for body in FOREIGN.into_iter().chain(["{}", "true", r#"{"success":"yes"}"#]) {
            check(body, AnsweredBy::Intermediary);
        }
    }
}
