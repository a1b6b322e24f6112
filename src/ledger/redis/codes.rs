//! Codes that the Rust files of this room and the scripts share, each written once here: numbers
//! of verdicts, letters of operations and stored fields, and the contract's words. Scripts name
//! them in capitals; the value replaces the name when the script is put together, so a code costs
//! nothing at run time.

use std::collections::BTreeMap;

use crate::ledger::{DoubtReason, EntryKind, EventKind, StopReason};
use crate::rejection::RejectionKind;

/// A module of constants, and the list of their names in scripts and their values.
macro_rules! codes {
    ($module:ident, $type:ty, $prefix:literal: $($name:ident = $value:literal)+) => {
        pub(super) mod $module {
            $(pub(in super::super) const $name: $type = $value;)+

            pub(in super::super) const ALL: &[(&str, $type)] =
                &[$((concat!($prefix, stringify!($name)), $name),)+];
        }
    };
}

codes! { verdict, i64, "V_":
    RESERVED = 1
    REJECTED = 2
    REPLAYED = 3
    STALE_SETTINGS = 4
    STALE_PRICE = 5
    SETTLED = 6
    RELEASED = 7
    MARKED = 8
    NO_HOLD = 9
    POSTED = 10
    REFERENCE_CONFLICT = 11
    WALLET_UNKNOWN = 12
    OUT_OF_RANGE = 13
    SHORTFALL = 14
    WALLET = 15
    CAMPAIGN = 16
    CAMPAIGN_EXISTS = 17
    CAMPAIGN_UNKNOWN = 18
    CAMPAIGN_FINISHED = 19
    WALLET_EXHAUSTED = 20
    DOCUMENT = 21
    COUNTED = 22
    SWEPT = 23
    ALIAS_LEARNED = 24
    RESERVED_AS_ASKED = 25
}

codes! { operation, &str, "OP_":
    RESERVE = "R"
    SETTLE = "S"
    RELEASE = "L"
    MARK_IN_DOUBT = "M"
    ABANDON = "A"
    SWEEP = "Y"
    TOP_UP = "T"
    ADJUST = "J"
    PUT_WALLET = "W"
    PUT_DOCUMENT = "D"
    DELETE_DOCUMENT = "X"
    CREATE_CAMPAIGN = "C"
    STOP_CAMPAIGN = "P"
    RESTART_CAMPAIGN = "G"
    FINISH_CAMPAIGN = "F"
    COUNT_REJECTIONS = "N"
    LEARN_ALIAS = "E"
    KEEP_UNHEARD = "K"
    HEAR = "H"
}

codes! { reply, &str, "REPLY_":
    OK = "+"
    SKEW = "s"
    LOWER = "l"
    LOST = "m"
    GONE = "g"
    FULL = "f"
    VERSION = "v"
}

codes! { argument, &str, "ARG_":
    THRESHOLDS_SAME = "same"
}

// What the client knows of an account.
codes! { known, i64, "KNOWN_":
    NOTHING = 0
    ABSENT = 1
    PRESENT = 2
}

// Fields of a campaign's hash, of a bucket of idempotency keys and of a stream's entries. A colon
// is part of the code, so that scripts join no more texts than they must.
codes! { field, &str, "FIELD_":
    CAMPAIGN = "v"
    NAME = "n"
    USED = "d"
    REJECTED = "x:"
    REFUSED = "f:"
    USAGE = "s:"
    TABLE = "table"
    HALF_DAY = "h"
    PACKED = "e"
}

codes! { outcome, &str, "OUTCOME_":
    OPEN = "o"
    IN_DOUBT = "d"
    ACCEPTED = "a"
}

// A hold of a block: gone, open, or else the letter why it is in doubt.
codes! { phase, i64, "PHASE_":
    GONE = 0
    OPEN = 1
}

// What else is known of a hold, as a sum. BOOKED: its slot is as if it was accepted already; FREE:
// its amount is zero, the allowance was taken; FOREIGN: the campaign it names is paid from another
// wallet, so that it does not count there.
codes! { flag, i64, "FLAG_":
    GUARDING = 1
    DEDUPED = 2
    HIT = 4
    BOOKED = 8
    FREE = 16
    FOREIGN = 32
}

// What sends of a batch are asked under, and what a single one has besides; sums.
codes! { terms, i64, "TERMS_":
    AUTO_CREATE = 1
    OBSERVE = 2
    FREE = 4
}

codes! { send, i64, "SEND_":
    GUARDING = 1
    KEY = 2
    SPELLED = 4
}

// The first byte of a statement entry.
codes! { entry, i64, "ENTRY_IS_":
    POST = 2
    CHARGES = 3
}

// Why a hold is in doubt. REASONLESS stands for holds without a reason, in the list of reasons
// whose holds are released.
codes! { doubt, &str, "DOUBT_":
    DEADLINE = "D"
    CONNECTION_LOST = "C"
    UNREADABLE_ANSWER = "U"
    NO_MESSAGE_ID = "N"
    GAVE_UP = "G"
    SERVER_ERROR = "S"
    UNEXPECTED_STATUS = "X"
    UNREPORTED = "R"
    REASONLESS = "-"
}

/// The letter of a reason.
pub(super) const fn doubt_code(reason: DoubtReason) -> &'static str {
    match reason {
        DoubtReason::Deadline => doubt::DEADLINE,
        DoubtReason::ConnectionLost => doubt::CONNECTION_LOST,
        DoubtReason::UnreadableAnswer => doubt::UNREADABLE_ANSWER,
        DoubtReason::NoMessageId => doubt::NO_MESSAGE_ID,
        DoubtReason::GaveUp => doubt::GAVE_UP,
        DoubtReason::ServerError => doubt::SERVER_ERROR,
        DoubtReason::UnexpectedStatus => doubt::UNEXPECTED_STATUS,
        DoubtReason::Unreported => doubt::UNREPORTED,
    }
}

/// Names in scripts and the Lua literals that replace them.
pub(super) fn constants() -> BTreeMap<String, String> {
    let quoted = |text: &str| format!("'{text}'");
    let word = |prefix: &str, text: &str| {
        (format!("{prefix}_{}", text.to_uppercase()), format!("'{text}'"))
    };
    let mut found = BTreeMap::new();
    for list in [verdict::ALL, known::ALL, phase::ALL, flag::ALL, terms::ALL, send::ALL, entry::ALL]
    {
        found.extend(list.iter().map(|(name, code)| ((*name).to_owned(), code.to_string())));
    }
    let texts = [operation::ALL, reply::ALL, argument::ALL, field::ALL, outcome::ALL, doubt::ALL];
    for list in texts {
        found.extend(list.iter().map(|(name, code)| ((*name).to_owned(), quoted(code))));
    }
    found.extend(RejectionKind::ALL.iter().map(|kind| word("REJECTION", kind.name())));
    found.extend(StopReason::ALL.iter().map(|reason| word("REASON", reason.as_str())));
    found.extend(EventKind::ALL.iter().map(|kind| word("EVENT", kind.as_str())));
    found.extend(EntryKind::ALL.iter().map(|kind| word("ENTRY", kind.as_str())));
    found
}

/// A script with the values instead of the names.
pub(super) fn substitute(script: &str) -> String {
    let constants = constants();
    let mut text = String::with_capacity(script.len());
    for part in parts(script) {
        text.push_str(constants.get(part).map_or(part, String::as_str));
    }
    text
}

/// A script cut into names in capitals with an underscore, and what is between them. A name behind
/// a dot is a field of a Lua table.
pub(super) fn parts(script: &str) -> Vec<&str> {
    let is_name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let bytes = script.as_bytes();
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let end = (at..bytes.len()).find(|index| !is_name(bytes[*index])).unwrap_or(bytes.len());
        let name = &script[at..end];
        let field = at > 0 && bytes[at - 1] == b'.';
        let capitals = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase());
        if capitals && name.contains('_') && name.len() > 1 && !field {
            parts.push(&script[begin..at]);
            parts.push(name);
            begin = end;
        }
        at = end.max(at + 1);
    }
    parts.push(&script[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::substitute;

    #[test]
    fn names_become_values() {
        let script = "state.say(V_NO_HOLD, store.MAX_X, 'a') -- OP_NONE";
        assert_eq!(substitute(script), "state.say(9, store.MAX_X, 'a') -- OP_NONE");
    }
}
