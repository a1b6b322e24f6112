//! The closed lists of label values. Each ends with what stands for everything else, so that no
//! label grows with what callers send.

/// The label value of whatever stands in no list.
pub(super) const OTHER: &str = "other";

pub(super) const OUTCOMES: &[&str] =
    &["accepted", "refused", "unknown", "rejected", "replayed", "read_receipt", OTHER];
pub(super) const CATEGORIES: &[&str] = &[
    "marketing",
    "utility",
    "authentication",
    "authentication_international",
    "service",
    "none",
    OTHER,
];
pub(super) const REJECTIONS: &[&str] = &[
    "malformed",
    "unauthorized",
    "insufficient_balance",
    "channel_unknown",
    "channel_disabled",
    "path_not_allowed",
    "frequency_capped",
    "campaign_stopped",
    "campaign_unknown",
    "idempotency_in_flight",
    "already_sent",
    "outcome_unknown",
    "too_large",
    "unsupported_media_type",
    "unclassified",
    "unpriced",
    "recipient_unsupported",
    "idempotency_conflict",
    "throughput_limited",
    "messaging_limit_reached",
    "upstream_unreachable",
    "ledger_unavailable",
    "overloaded",
    "upstream_no_answer",
    "request_timeout",
    OTHER,
];
/// `price` includes classifying.
pub(super) const STAGES: &[&str] =
    &["authenticate", "parse", "price", "throttle", "reserve", "forward", "total", OTHER];
/// A batch carries operations of every kind, decided in one call.
pub(super) const OPERATIONS: &[&str] = &["batch", OTHER];
pub(super) const LATE_OUTCOMES: &[&str] = &["settle", "release", OTHER];
pub(super) const EVENTS: &[&str] = &[
    "wallet_exhausted",
    "campaign_stopped",
    "campaign_restarted",
    "low_balance",
    "hold_in_doubt",
    "account_frozen",
    OTHER,
];
/// Error codes of the Graph API that get a series of their own, ascending; "none" is an answer
/// without a code (deadline, reset).
pub(super) const UPSTREAM_CODES: &[&str] = &[
    "0", "1", "2", "3", "4", "10", "33", "100", "190", "200", "368", "80007", "130429", "130472",
    "130497", "131000", "131005", "131008", "131009", "131016", "131021", "131026", "131030",
    "131031", "131037", "131042", "131045", "131047", "131048", "131049", "131050", "131051",
    "131052", "131053", "131055", "131056", "131057", "131062", "131063", "131064", "132000",
    "132001", "132005", "132007", "132012", "132015", "132016", "132068", "132069", "133000",
    "133004", "133005", "133006", "133008", "133009", "133010", "133015", "133016", "134011",
    "135000", "none", OTHER,
];

/// Where `value` stands in `values`; the last place, `other`, if nowhere.
pub(super) fn position(values: &[&str], value: &str) -> usize {
    values.iter().position(|known| *known == value).unwrap_or(values.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::{
        CATEGORIES, EVENTS, OPERATIONS, OTHER, OUTCOMES, REJECTIONS, STAGES, UPSTREAM_CODES,
        position,
    };

    #[test]
    fn values_are_listed_once_and_other_is_last() {
        for values in [OUTCOMES, CATEGORIES, REJECTIONS, STAGES, OPERATIONS, EVENTS, UPSTREAM_CODES]
        {
            let mut sorted = values.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), values.len(), "{values:?}");
            assert_eq!(values.last(), Some(&OTHER));
            assert_eq!(position(values, "no such value"), values.len() - 1);
        }
    }
}
