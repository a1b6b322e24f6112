//! Why a hold is in doubt, and what becomes of it if no evidence comes.

use serde::{Deserialize, Serialize};

/// Why nobody knows what upstream did with a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtReason {
    /// No answer within the deadline.
    Deadline,
    /// The connection ended before the answer was complete.
    ConnectionLost,
    /// The answer cannot be read.
    UnreadableAnswer,
    /// A success without the id of a message.
    NoMessageId,
    /// Somebody on the way gave up waiting (408, 499).
    GaveUp,
    /// A server error that does not prove that nothing was sent.
    ServerError,
    /// A status that no answer to a send has.
    UnexpectedStatus,
    /// Its send never reported: its gateway may have died before, while or after it forwarded.
    Unreported,
}

impl DoubtReason {
    /// All of them.
    pub const ALL: [DoubtReason; 8] = [
        DoubtReason::Deadline,
        DoubtReason::ConnectionLost,
        DoubtReason::UnreadableAnswer,
        DoubtReason::NoMessageId,
        DoubtReason::GaveUp,
        DoubtReason::ServerError,
        DoubtReason::UnexpectedStatus,
        DoubtReason::Unreported,
    ];

    /// Contract name, in settings and the Admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            DoubtReason::Deadline => "deadline",
            DoubtReason::ConnectionLost => "connection_lost",
            DoubtReason::UnreadableAnswer => "unreadable_answer",
            DoubtReason::NoMessageId => "no_message_id",
            DoubtReason::GaveUp => "gave_up",
            DoubtReason::ServerError => "server_error",
            DoubtReason::UnexpectedStatus => "unexpected_status",
            DoubtReason::Unreported => "unreported",
        }
    }
}

/// What happens to a hold in doubt when its deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InDoubtPolicy {
    /// It is charged, because upstream may have delivered it.
    Charge,
    /// It is released.
    Release,
}

/// The policy of each reason, and of holds that keep none because an older version marked them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InDoubtPolicies {
    otherwise: InDoubtPolicy,
    /// In the order of [`DoubtReason::ALL`].
    by_reason: [InDoubtPolicy; DoubtReason::ALL.len()],
}

impl InDoubtPolicies {
    /// One policy, whatever the reason.
    pub const fn always(policy: InDoubtPolicy) -> InDoubtPolicies {
        InDoubtPolicies { otherwise: policy, by_reason: [policy; DoubtReason::ALL.len()] }
    }

    /// With another policy for one reason.
    #[must_use]
    pub fn with(mut self, reason: DoubtReason, policy: InDoubtPolicy) -> InDoubtPolicies {
        for (kept, known) in self.by_reason.iter_mut().zip(DoubtReason::ALL) {
            if known == reason {
                *kept = policy;
            }
        }
        self
    }

    /// The policy of a hold in doubt.
    pub fn of(&self, reason: Option<DoubtReason>) -> InDoubtPolicy {
        let named = |reason| DoubtReason::ALL.into_iter().position(|known| known == reason);
        reason
            .and_then(named)
            .and_then(|index| self.by_reason.get(index).copied())
            .unwrap_or(self.otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::{DoubtReason, InDoubtPolicies, InDoubtPolicy};

    #[test]
    fn a_reason_without_a_policy_of_its_own_has_the_common_one() {
        let policies = InDoubtPolicies::always(InDoubtPolicy::Charge)
            .with(DoubtReason::ServerError, InDoubtPolicy::Release);
        for reason in DoubtReason::ALL {
            let released = reason == DoubtReason::ServerError;
            let expected = if released { InDoubtPolicy::Release } else { InDoubtPolicy::Charge };
            assert_eq!(policies.of(Some(reason)), expected, "{}", reason.as_str());
        }
        assert_eq!(policies.of(None), InDoubtPolicy::Charge);
    }
}
