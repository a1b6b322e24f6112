//! What a send is decided under: the account's settings of one moment, the channel, the campaign.

use std::sync::Arc;

use crate::catalog::documents::Enforcement;
use crate::catalog::{Channel, Snapshot};
use crate::ids::{CampaignId, ChannelId};

/// An authenticated send's account, channel and campaign.
pub struct SendContext {
    /// The account's settings.
    pub snapshot: Arc<Snapshot>,
    /// The sending channel's phone number ID.
    pub channel_id: ChannelId,
    /// The channel's settings, which are of the snapshot.
    pub channel: Arc<Channel>,
    /// The campaign of the header, the path or the key.
    pub campaign: Option<CampaignId>,
}

impl SendContext {
    /// Whether the account's limits refuse nothing.
    pub fn observes(&self) -> bool {
        self.snapshot.account.enforcement == Enforcement::Observe
    }
}
