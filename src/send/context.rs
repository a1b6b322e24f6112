//! What a send is decided under: the account's settings of one moment, the channel, the campaign.

use std::sync::Arc;

use crate::catalog::documents::Enforcement;
use crate::catalog::{Channel, Snapshot};
use crate::ids::{CampaignId, ChannelId};

/// An authenticated send's account, channel and campaign.
pub struct SendContext {
    /// The account's settings.
    pub snapshot: Arc<Snapshot>,
    /// The sending channel, which is one of the snapshot's.
    pub channel_id: ChannelId,
    /// The campaign of the header, the path or the key.
    pub campaign: Option<CampaignId>,
}

impl SendContext {
    /// Whether the account's limits refuse nothing.
    pub fn observes(&self) -> bool {
        self.snapshot.account.enforcement == Enforcement::Observe
    }

    /// The channel's settings.
    pub fn channel(&self) -> &Channel {
        #[expect(
            clippy::expect_used,
            reason = "only made for a channel in its snapshot, and a snapshot never changes"
        )]
        self.snapshot.channels.get(&self.channel_id).expect("the channel was found before")
    }
}
