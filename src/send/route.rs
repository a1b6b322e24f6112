//! What the path of a send names.

use super::message::Endpoint;

/// The path of a send, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRoute {
    /// The campaign of the path prefix.
    pub campaign: Option<String>,
    /// The phone number ID, not yet checked.
    pub channel_id: String,
    /// Which of the two endpoints.
    pub endpoint: Endpoint,
    /// The path at Meta, without a campaign prefix.
    pub path: String,
}
