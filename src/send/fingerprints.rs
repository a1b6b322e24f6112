//! The keyed hashes that identify a send: its body, its idempotency key, its recipient's
//! identity.

use crate::catalog::KeyHasher;
use crate::ids::ChannelId;
use crate::ledger::{Fingerprint, RecipientHash};
use crate::pricing::{Identity, Recipient};
use crate::send::message::{Endpoint, Send};

/// What makes a send this one and no other.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprints {
    /// Channel, endpoint and body, hashed.
    pub body: Fingerprint,
    /// The idempotency key, hashed.
    pub key: Option<Fingerprint>,
    /// The recipient's identity, hashed.
    pub recipient: RecipientHash,
    /// The number as it was written, hashed, if that is not its identity.
    pub spelled: Option<RecipientHash>,
}

impl Fingerprints {
    /// Hashes what identifies this send. Without an idempotency key it is the bytes of the body
    /// without the value of `biz_opaque_callback_data`, which some senders make anew each time;
    /// with one it is the body as JSON, because the key alone decides what is a repeat. The Graph
    /// version of the path does not matter.
    pub fn of(
        hasher: &KeyHasher,
        channel_id: &ChannelId,
        endpoint: Endpoint,
        (body, message): (&[u8], &Send<'_>),
        key: Option<&[u8]>,
        recipient: &Recipient,
    ) -> Fingerprints {
        let hash =
            |before: &[u8], after: &[u8]| hasher.body(channel_id, endpoint.as_str(), before, after);
        let body = match key.and_then(|_| as_json(body)) {
            Some(json) => hash(&json, &[]),
            None => {
                let span = message.callback_data_span.clone();
                let around =
                    span.and_then(|span| Some((body.get(..span.start)?, body.get(span.end..)?)));
                let (before, after) = around.unwrap_or((body, &[]));
                hash(before, after)
            }
        };
        let identity = Identity::of(recipient);
        let spelled = recipient.as_str() != identity.as_str();
        Fingerprints {
            body,
            key: key.map(|key| hasher.idempotency_key(key)),
            recipient: hasher.recipient(&identity),
            spelled: spelled.then(|| hasher.spelled(recipient)),
        }
    }
}

/// The body in the one form of all that say the same: sorted, without white space and without
/// needless escapes.
fn as_json(body: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::Fingerprints;
    use crate::catalog::KeyHasher;
    use crate::pricing::recipient;
    use crate::send::message::{Endpoint, Message, parse};

    fn body_of(body: &str, key: Option<&str>) -> [u8; 16] {
        let Ok(Message::Send(message)) = parse(body.as_bytes(), Endpoint::Messages) else {
            panic!("{body} is no message")
        };
        let recipient = recipient::parse("+919812345678").unwrap();
        let hasher = KeyHasher::new(&[7; 32]);
        let (channel, key) = ("106".parse().unwrap(), key.map(str::as_bytes));
        let body = (body.as_bytes(), &message);
        Fingerprints::of(&hasher, &channel, Endpoint::Messages, body, key, &recipient).body
    }

    fn text(text: &str, rest: &str) -> String {
        let head = r#"{"messaging_product":"whatsapp","to":"+919812345678","text":{"body":""#;
        format!(r#"{head}{text}"}}{rest}}}"#)
    }

    #[test]
    fn callback_data_makes_no_other_send() {
        let with = |data: &str| text("hi", &format!(r#","biz_opaque_callback_data":"{data}""#));
        assert_eq!(body_of(&with("1"), None), body_of(&with(r#"{\"try\":22}"#), None));
        assert_eq!(body_of(&with("1"), None), body_of(&with(""), None));
        let null = text("hi", r#","biz_opaque_callback_data":null"#);
        for other in [text("ho", ""), text("hi", ""), with("1").replace("hi", "ho"), null] {
            assert_ne!(body_of(&with("1"), None), body_of(&other, None), "{other}");
        }
        // What is cut out leaves its place.
        let moved = text("hi", r#","biz_opaque_callback_data":"1","context":{"message_id":"a"}"#);
        let before = text("hi", r#","context":{"message_id":"a"},"biz_opaque_callback_data":"1""#);
        assert_ne!(body_of(&moved, None), body_of(&before, None));
    }

    #[test]
    fn with_a_key_bodies_are_compared_as_json() {
        let body = text(r"h\u0069", "");
        let same = concat!(
            r#" { "to" : "+919812345678", "text": {"body": "hi"}, "#,
            r#""messaging_product":"whatsapp" } "#
        );
        assert_eq!(body_of(&body, Some("k")), body_of(same, Some("k")));
        assert_ne!(body_of(&body, None), body_of(same, None));
        assert_ne!(body_of(&body, Some("k")), body_of(&text("ho", ""), Some("k")));
        let with = |data: &str| text("hi", &format!(r#","biz_opaque_callback_data":"{data}""#));
        assert_ne!(body_of(&with("1"), Some("k")), body_of(&with("2"), Some("k")));
    }
}
