//! The closed lists of label values. Those of text end with `other`, so that no label grows with
//! what callers send.

/// Makes an enum of label values.
macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $value:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All values, in order of their discriminants.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $value,)+ }
            }
        }
    };
}

label! {
    /// What became of a send.
    SendOutcome {
        /// Upstream accepted it.
        Accepted "accepted",
        /// Upstream refused it.
        Refused "refused",
        /// It was forwarded, and the outcome is unknown.
        Unknown "unknown",
        /// The gateway rejected it.
        Rejected "rejected",
        /// The first reply was repeated.
        Replayed "replayed",
        /// A read receipt, which costs nothing.
        ReadReceipt "read_receipt",
        /// The client disconnected before it was forwarded.
        HungUp "hung_up",
    }
}

label! {
    /// A stage of a send.
    Stage {
        /// Key, channel and campaign.
        Authenticate "authenticate",
        /// Body and recipient.
        Parse "parse",
        /// Category and price.
        Price "price",
        /// Waiting for the channel's throughput limit.
        Throttle "throttle",
        /// The ledger's decision.
        Reserve "reserve",
        /// Upstream's reply.
        Forward "forward",
        /// From the request to the reply.
        Total "total",
    }
}

label! {
    /// Why a connection was ended before its next request was handled.
    RefusedConnection {
        /// A request that could be read in two ways, or not at all.
        Malformed "malformed",
        /// No first request within its time.
        Slow "slow",
        /// Its address has as many connections as it may.
        AddressLimit "address_limit",
        /// The TLS handshake failed.
        TlsHandshake "tls_handshake",
        /// A trusted proxy did not begin with a PROXY header.
        ProxyHeader "proxy_header",
    }
}

/// The label value of whatever is in no list.
pub(super) const OTHER: &str = "other";

pub(super) const CATEGORIES: &[&str] = &[
    "marketing",
    "utility",
    "authentication",
    "authentication_international",
    "service",
    "none",
    OTHER,
];
/// A batch carries operations of every kind, decided in one call.
pub(super) const OPERATIONS: &[&str] = &["batch", OTHER];
pub(super) const LATE_OUTCOMES: &[&str] = &["settle", "release", OTHER];
/// Why a ledger cannot decide; the ledger has the same words.
pub(super) const LEDGER_FAULTS: &[&str] = &[
    "no_answer",
    "loading",
    "read_only",
    "too_few_replicas",
    "out_of_memory",
    "not_persisting",
    "disk_full",
    "unwritable",
    "not_permitted",
    "clock_skew",
    "another_ledger",
    "frozen",
    "closed",
    OTHER,
];
pub(super) const EVENTS: &[&str] = &[
    "wallet_exhausted",
    "campaign_stopped",
    "campaign_restarted",
    "low_balance",
    "hold_in_doubt",
    "account_frozen",
    OTHER,
];
/// A refusal of something between the gateway and Meta.
pub(super) const INTERMEDIARY: &str = "intermediary";

/// Error codes of the Graph API that get a series of their own, ascending; "none" is a reply
/// without a code (deadline, reset).
pub(super) const UPSTREAM_CODES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "4",
    "10",
    "33",
    "100",
    "190",
    "200",
    "368",
    "80007",
    "130429",
    "130472",
    "130497",
    "131000",
    "131005",
    "131008",
    "131009",
    "131016",
    "131021",
    "131026",
    "131030",
    "131031",
    "131037",
    "131042",
    "131045",
    "131047",
    "131048",
    "131049",
    "131050",
    "131051",
    "131052",
    "131053",
    "131055",
    "131056",
    "131057",
    "131062",
    "131063",
    "131064",
    "132000",
    "132001",
    "132005",
    "132007",
    "132012",
    "132015",
    "132016",
    "132068",
    "132069",
    "133000",
    "133004",
    "133005",
    "133006",
    "133008",
    "133009",
    "133010",
    "133015",
    "133016",
    "134011",
    "135000",
    "none",
    INTERMEDIARY,
    OTHER,
];

/// The index of `value` in `values`; of the last, `other`, if it is not among them.
pub(super) fn position(values: &[&str], value: &str) -> usize {
    values.iter().position(|known| *known == value).unwrap_or(values.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::{
        CATEGORIES, EVENTS, LATE_OUTCOMES, LEDGER_FAULTS, OPERATIONS, OTHER, UPSTREAM_CODES,
        position,
    };

    #[test]
    fn values_are_listed_once_and_other_is_last() {
        for values in [CATEGORIES, OPERATIONS, LATE_OUTCOMES, LEDGER_FAULTS, EVENTS, UPSTREAM_CODES]
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
