//! How long the ledger keeps what is past and only reported any more.

/// Days for which it is kept, today not counted; [`Retention::MAX_DAYS`] at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Usage by day.
    pub usage_days: u32,
    /// Events.
    pub events_days: u32,
    /// Campaigns that were neither sent to nor changed, with all they counted.
    pub campaign_days: u32,
    /// References of top-ups and adjustments: a repeat is recognised for so long.
    pub reference_days: u32,
}

impl Retention {
    /// Longer than this nothing is kept; every ledger can tell so many days apart.
    pub const MAX_DAYS: u32 = 4_000;
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { usage_days: 400, events_days: 90, campaign_days: 400, reference_days: 400 }
    }
}
