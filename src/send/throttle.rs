//! The throughput limit: messages per second and channel, divided by the gateways alive. A send
//! waits a little for its turn, then it is refused.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::context::SendContext;
use super::rejected::Rejected;
use crate::clock::Stopwatch;
use crate::ids::ChannelId;
use crate::rejection::RejectionKind;

struct Pace {
    limit: u32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

/// One limiter per channel.
pub struct Throttle {
    max_wait: Duration,
    /// How many gateways share each channel's limit; kept up to date by a job.
    gateways: Arc<AtomicU32>,
    paces: DashMap<ChannelId, Pace>,
    clock: DefaultClock,
}

impl Throttle {
    /// Sends wait at most `max_wait`.
    pub fn new(max_wait: Duration, gateways: Arc<AtomicU32>) -> Throttle {
        Throttle { max_wait, gateways, paces: DashMap::new(), clock: DefaultClock::default() }
    }

    /// Waits for the turn of the send's channel.
    pub async fn pass(&self, context: &SendContext) -> Result<(), Rejected> {
        let (channel, limit) = (&context.channel_id, context.channel().settings.throughput_limit);
        let share = limit
            .checked_div(self.gateways.load(Ordering::Relaxed))
            .unwrap_or(limit)
            .max(limit.min(1));
        let Some(per_second) = NonZeroU32::new(share) else {
            return Err(Rejected::new(
                RejectionKind::ThroughputLimited,
                "this channel's throughput limit is 0",
            )
            .retry_after(60));
        };
        let limiter = self.limiter(channel, per_second);
        let waited = Stopwatch::start();
        loop {
            let Err(not_until) = limiter.check() else { return Ok(()) };
            let wait = not_until.wait_time_from(self.clock.now());
            if waited.elapsed().saturating_add(wait) > self.max_wait {
                let seconds = i64::try_from(wait.as_secs()).unwrap_or(1).saturating_add(1);
                return Err(Rejected::new(
                    RejectionKind::ThroughputLimited,
                    format!("this channel sends {limit} messages a second and more are waiting"),
                )
                .retry_after(seconds));
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn limiter(
        &self,
        channel: &ChannelId,
        per_second: NonZeroU32,
    ) -> Arc<DefaultDirectRateLimiter> {
        if let Some(pace) = self.paces.get(channel).filter(|pace| pace.limit == per_second.get()) {
            return pace.limiter.clone();
        }
        let limiter = Arc::new(RateLimiter::direct(Quota::per_second(per_second)));
        self.paces
            .insert(channel.clone(), Pace { limit: per_second.get(), limiter: limiter.clone() });
        limiter
    }
}
