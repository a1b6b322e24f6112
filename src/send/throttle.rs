//! The throughput limit: messages per second and channel, divided by the gateways alive. A send
//! waits a little for its turn, then it is refused; one that is only observed never waits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::context::SendContext;
use super::rejected::Rejected;
use crate::clock::Stopwatch;
use crate::ids::{ChannelId, SharedMap};
use crate::rejection::RejectionKind;

struct Pace {
    quota: Quota,
    limiter: Arc<DefaultDirectRateLimiter>,
}

/// One limiter per channel.
pub struct Throttle {
    max_wait: Duration,
    /// How many gateways share each channel's limit; kept up to date by a job.
    gateways: Arc<AtomicU32>,
    paces: SharedMap<ChannelId, Pace>,
    clock: DefaultClock,
}

impl Throttle {
    /// Sends wait at most `max_wait`.
    pub fn new(max_wait: Duration, gateways: Arc<AtomicU32>) -> Throttle {
        Throttle { max_wait, gateways, paces: SharedMap::default(), clock: DefaultClock::default() }
    }

    /// Waits for the turn of the send's channel, up to the longest wait.
    pub async fn pass(&self, context: &SendContext) -> Result<(), Rejected> {
        let (channel, limit) = (&context.channel_id, context.channel.settings.throughput_limit);
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
        // What would have waited for its turn counts as room for a burst.
        let (quota, max_wait) = if context.observes() {
            (self.with_queue(per_second), Duration::ZERO)
        } else {
            (Quota::per_second(per_second), self.max_wait)
        };
        let limiter = self.limiter(channel, quota);
        let waited = Stopwatch::start();
        loop {
            let Err(not_until) = limiter.check() else { return Ok(()) };
            let wait = not_until.wait_time_from(self.clock.now());
            if waited.elapsed().saturating_add(wait) > max_wait {
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

    /// As many at once as pass or wait at one time.
    fn with_queue(&self, per_second: NonZeroU32) -> Quota {
        let waiting = u128::from(per_second.get()).saturating_mul(self.max_wait.as_millis()) / 1000;
        let burst = per_second.saturating_add(u32::try_from(waiting).unwrap_or(u32::MAX));
        Quota::per_second(per_second).allow_burst(burst)
    }

    fn limiter(&self, channel: &ChannelId, quota: Quota) -> Arc<DefaultDirectRateLimiter> {
        if let Some(pace) = self.paces.get(channel).filter(|pace| pace.quota == quota) {
            return pace.limiter.clone();
        }
        let limiter = Arc::new(RateLimiter::direct(quota));
        self.paces.insert(channel.clone(), Pace { quota, limiter: limiter.clone() });
        limiter
    }

    /// Forgets the paces of channels that have sent nothing for as long as a burst takes to be
    /// possible again: a new pace is like theirs.
    pub fn tidy(&self) {
        self.paces.retain(|_, pace| {
            // Nobody waits for its turn, and nobody can begin to meanwhile.
            let unused = Arc::strong_count(&pace.limiter) == 1;
            !(unused && matches!(pace.limiter.check_n(pace.quota.burst_size()), Ok(Ok(()))))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    use governor::Quota;

    use super::Throttle;

    #[tokio::test]
    async fn channels_that_send_nothing_are_forgotten_and_others_not() {
        let throttle = Throttle::new(Duration::ZERO, Arc::default());
        let per_second = |most: u32| Quota::per_second(NonZeroU32::new(most).unwrap());
        let channel = |number: u32| number.to_string().parse().unwrap();
        for number in 0..1_000 {
            throttle.limiter(&channel(number), per_second(1_000));
        }
        let (slow, waiting) = (channel(1_000), channel(1_001));
        assert!(throttle.limiter(&slow, per_second(1)).check().is_ok());
        let waits = throttle.limiter(&waiting, per_second(1_000));
        throttle.tidy();
        assert_eq!(throttle.paces.len(), 2);
        assert!(throttle.limiter(&slow, per_second(1)).check().is_err(), "its pace is kept");
        assert!(waits.check().is_ok(), "nothing was taken from who is at it");
    }
}
