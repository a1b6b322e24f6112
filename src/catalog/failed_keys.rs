//! Bounds how many unknown keys one address may present, so that guessing keys costs the guesser
//! and not the ledger.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::clock::Stopwatch;

/// What addresses have presented lately.
pub(super) struct FailedKeys {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
    /// Addresses that presented too many, since when and for how long nothing unknown is looked up
    /// for them.
    blocked: DashMap<IpAddr, (Stopwatch, Duration)>,
}

impl FailedKeys {
    /// At most so many unknown keys a minute from one address; `None` is no limit.
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> FailedKeys {
        let limiter = per_minute.map(|most| RateLimiter::keyed(Quota::per_minute(most)));
        FailedKeys { limiter, clock: DefaultClock::default(), blocked: DashMap::new() }
    }

    /// How long nothing unknown is looked up for this address yet; `None` if it may ask.
    pub(super) fn blocked(&self, address: IpAddr) -> Option<Duration> {
        let (since, time) = *self.blocked.get(&address)?;
        Some(time.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
    }

    /// Counts a key that was unknown.
    pub(super) fn count(&self, address: IpAddr) {
        let Some(limiter) = &self.limiter else { return };
        if let Err(until) = limiter.check_key(&address) {
            let time = until.wait_time_from(self.clock.now());
            self.blocked.insert(address, (Stopwatch::start(), time));
        }
    }

    /// Forgets addresses that have presented nothing lately; to be called now and then.
    pub(super) fn tidy(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.blocked.retain(|_, (since, time)| since.elapsed() < *time);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    use super::FailedKeys;

    #[test]
    fn too_many_unknown_keys_block_their_address_alone() {
        let [guesser, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let keys = FailedKeys::new(NonZeroU32::new(3));
        for _ in 0..3 {
            keys.count(guesser);
            assert_eq!(keys.blocked(guesser), None);
        }
        keys.count(guesser);
        assert!(keys.blocked(guesser).is_some() && keys.blocked(other).is_none());
        keys.tidy();
        assert!(keys.blocked(guesser).is_some(), "a look around frees nobody");

        let unlimited = FailedKeys::new(None);
        (0..1000).for_each(|_| unlimited.count(guesser));
        assert_eq!(unlimited.blocked(guesser), None);
    }
}
