//! Every reply of upstream has an outcome: only an id is acceptance, and only a 3xx, a 4xx or a
//! Graph error is a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::upstream::outcome::{Outcome, RefusedBy, judge};

const ENCODINGS: [&str; 6] = ["", "gzip", "deflate", "gzip, deflate", "identity", "br"];

fuzz_target!(|answer: (u16, u8, &[u8])| {
    let (status, encoding, body) = answer;
    let mut headers = http::HeaderMap::new();
    let encoding = ENCODINGS[usize::from(encoding) % ENCODINGS.len()];
    if !encoding.is_empty() {
        let value = http::HeaderValue::from_static(encoding);
        headers.insert(http::header::CONTENT_ENCODING, value);
    }
    match judge(status, &headers, body) {
        Outcome::Accepted { message_id, .. } => {
            assert!((200..300).contains(&status) && !message_id.is_empty());
        }
        Outcome::Refused { by: RefusedBy::Graph { .. } } => {
            assert!((300..600).contains(&status) && status != 408 && status != 499);
        }
        Outcome::Refused { by: RefusedBy::Intermediary { status: named } } => {
            assert!((300..500).contains(&status) && status == named);
            assert!(status != 408 && status != 499);
        }
        Outcome::Unknown { .. } => {}
    }
});
