//! Every rejection the gateway can reply with: name, status, title and meaning, written once. The
//! reply, the closed list of the metric, the OpenAPI document and `docs/rejections.md` come from
//! this table.

/// Makes the enum and its properties from one row each.
macro_rules! rejections {
    ($($variant:ident $name:literal $status:literal $title:literal $meaning:literal)+) => {
        /// Which rule rejected a request. The discriminant is the row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RejectionKind {
            $(#[doc = $meaning] $variant,)+
        }

        impl RejectionKind {
            /// All of them, in the order of the table.
            pub const ALL: &[RejectionKind] = &[$(RejectionKind::$variant,)+];

            /// The name that engines switch on; also the label of the metric.
            pub const fn name(self) -> &'static str {
                match self { $(RejectionKind::$variant => $name,)+ }
            }

            /// The HTTP status of the reply.
            pub const fn status(self) -> u16 {
                match self { $(RejectionKind::$variant => $status,)+ }
            }

            /// A few words for a person, the same for every rejection of this kind.
            pub const fn title(self) -> &'static str {
                match self { $(RejectionKind::$variant => $title,)+ }
            }

            /// What it means and what the engine can do.
            pub const fn meaning(self) -> &'static str {
                match self { $(RejectionKind::$variant => $meaning,)+ }
            }
        }
    };
}

// SDKs repeat 429 and 5xx by themselves and never 400, 402, 403, 409 or 422: what must not be
// repeated has one of those.
rejections! {
    Malformed "malformed" 400 "This is not one unambiguous message"
        "The request is not one unambiguous message; the details name the field. Mend the request."
    Unauthorized "unauthorized" 401 "No valid gateway key"
        "The gateway key is missing, unknown, revoked, or lacks the scope. Use another key."
    InsufficientBalance "insufficient_balance" 402 "Not enough credits for this message"
        "The wallet has fewer credits than the message costs. Top up, then send again."
    ChannelUnknown "channel_unknown" 403 "No such channel"
        "The account of this key has no such channel. Set it up, or use the account's own."
    ChannelDisabled "channel_disabled" 403 "The channel is disabled"
        "The channel is switched off, or has no usable token. An operator must act."
    PathNotAllowed "path_not_allowed" 403 "This path is not passed on"
        "The path is neither a send nor on the list of Graph paths that pass."
    MediaUrlInvalid "media_url_invalid" 403 "This media URL is not valid"
        "The gateway's URL of a media object has expired or was changed. Read the object again."
    FrequencyCapped "frequency_capped" 403 "The recipient had enough messages"
        "A frequency cap of the account is reached for this recipient. Skip the recipient."
    CampaignStopped "campaign_stopped" 409 "The campaign is stopped"
        "The campaign does not run; the details name the reason. A person restarts it."
    CampaignUnknown "campaign_unknown" 409 "No such campaign"
        "The campaign does not exist, or another wallet pays for it. Create or name another."
    IdempotencyInFlight "idempotency_in_flight" 409 "The first send with this key is under way"
        "The first send with this Idempotency-Key has no outcome yet. Ask again for its reply."
    AlreadySent "already_sent" 409 "The campaign has sent to this recipient"
        "The campaign sends to each recipient once, and has sent to this one."
    OutcomeUnknown "outcome_unknown" 409 "It is not known whether this message was sent"
        "The same message was forwarded and its outcome is unknown. Do not send it again."
    TooLarge "too_large" 413 "The body is too large"
        "The body is longer than a send may be."
    UnsupportedMediaType "unsupported_media_type" 415
        "Sends are application/json without content encoding"
        "The body is not application/json, or carries a content encoding."
    Unclassified "unclassified" 422 "The template is not known"
        "The template is not in the catalog and the account refuses such. Sync or declare it."
    Unpriced "unpriced" 422 "There is no price for this recipient"
        "No rate of the account's rate card fits the recipient."
    RecipientUnsupported "recipient_unsupported" 422 "This recipient is not supported"
        "The recipient is a group, or a number without a plus in an account that refuses such."
    IdempotencyConflict "idempotency_conflict" 422 "The key was used with another body"
        "The Idempotency-Key was used with another body. Use a new key for a new message."
    ThroughputLimited "throughput_limited" 429 "The channel's throughput limit is reached"
        "More messages a second than the channel may send. Send again later."
    MessagingLimitReached "messaging_limit_reached" 429 "The messaging limit is reached"
        "The portfolio has no slot left for another unique recipient. Send when one frees."
    UpstreamUnreachable "upstream_unreachable" 502 "Upstream could not be reached"
        "No connection to upstream; nothing was sent and what was held is released."
    LedgerUnavailable "ledger_unavailable" 503 "The ledger cannot decide now"
        "The ledger did not reply in time; nothing was forwarded or charged. Send again."
    Overloaded "overloaded" 503 "Too much work at once"
        "A bound of work in flight is reached; nothing was reserved. Send again."
    UpstreamNoAnswer "upstream_no_answer" 504 "Upstream did not answer"
        "A read receipt or passed-through request got no reply, or none that may be passed back."
    RequestTimeout "request_timeout" 408 "The request took too long to arrive"
        "The client was too slow to deliver its body; nothing was reserved."
    ClientGone "client_gone" 499 "The client disconnected before its message was forwarded"
        "The client disconnected before anything was forwarded; counted, and never seen by one."
}

impl RejectionKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<RejectionKind> {
        RejectionKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether popular SDKs repeat the request by themselves.
    pub const fn retried_by_sdks(self) -> bool {
        matches!(self.status(), 429 | 500..=599)
    }

    /// `docs/rejections.md`.
    pub fn document() -> String {
        let mut text = String::from(
            "# Rejections\n\nWhat the data listener replies instead of forwarding, in the header \
             `Tollgate-Rejection` and in\n`error.error_data.rejection`. Made from \
             `src/rejection.rs`; a test compares the two and prints how\nto write this file \
             anew.\n\n| name | status | SDKs repeat it | meaning |\n| --- | --- | --- | --- |\n",
        );
        for kind in RejectionKind::ALL {
            let (name, status, meaning) = (kind.name(), kind.status(), kind.meaning());
            let repeated = if kind.retried_by_sdks() { "yes" } else { "no" };
            text.push_str(&format!("| `{name}` | {status} | {repeated} | {meaning} |\n"));
        }
        text
    }
}

impl std::fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::RejectionKind;

    #[test]
    fn rows_are_in_order_and_names_unique() {
        for (row, kind) in RejectionKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, row);
            assert_eq!(RejectionKind::from_name(kind.name()), Some(*kind));
        }
        assert_eq!(RejectionKind::from_name("no such rule"), None);
    }

    #[test]
    fn what_must_not_be_repeated_is_not() {
        let repeated: Vec<&str> = RejectionKind::ALL
            .iter()
            .filter(|kind| kind.retried_by_sdks())
            .map(|kind| kind.name())
            .collect();
        let expected = [
            "throughput_limited",
            "messaging_limit_reached",
            "upstream_unreachable",
            "ledger_unavailable",
            "overloaded",
            "upstream_no_answer",
        ];
        assert_eq!(repeated, expected);
    }

    /// To write the file anew: `TOLLGATE_WRITE_DOCS=1 cargo test --lib rejection`.
    #[test]
    fn the_document_is_made_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rejections.md");
        if std::env::var_os("TOLLGATE_WRITE_DOCS").is_some() {
            std::fs::write(path, RejectionKind::document()).expect("docs can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == RejectionKind::document(),
            "docs/rejections.md differs; run TOLLGATE_WRITE_DOCS=1 cargo test --lib rejection"
        );
    }
}
