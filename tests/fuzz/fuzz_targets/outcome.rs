//! Every reply of upstream has an outcome, and only a Graph error with a code is a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::upstream::graph_error::GraphError;
use tollgate::upstream::outcome::{Outcome, judge};

fuzz_target!(|answer: (u16, &[u8])| {
    let (status, body) = answer;
    match judge(status, body) {
        Outcome::Accepted { message_id } => {
            assert!((200..300).contains(&status) && !message_id.is_empty());
        }
        Outcome::Refused { code } => {
            assert_eq!(GraphError::read(body).map(|error| error.code), Some(code));
        }
        Outcome::Unknown { .. } => {}
    }
});
