//! Bounds how many unknown keys one address may present, so that guessing keys costs the guesser
//! and not the ledger.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::clock::Stopwatch;
use crate::ledger::Fingerprint;

/// What addresses have presented lately.
pub(super) struct FailedKeys {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
    /// Addresses that presented too many, since when and for how long nothing unknown is looked up
    /// for them.
    blocked: DashMap<IpAddr, (Stopwatch, Duration)>,
    /// Keys counted within a minute: an engine that keeps presenting one revoked key guesses
    /// nothing, and must not block whoever shares its address.
    counted: DashMap<(IpAddr, Fingerprint), Stopwatch>,
}

/// How long a key is not counted again.
const COUNTED_FOR: Duration = Duration::from_secs(60);

impl FailedKeys {
    /// At most so many different unknown keys a minute from one address; `None` is no limit.
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> FailedKeys {
        let limiter = per_minute.map(|most| RateLimiter::keyed(Quota::per_minute(most)));
        FailedKeys {
            limiter,
            clock: DefaultClock::default(),
            blocked: DashMap::new(),
            counted: DashMap::new(),
        }
    }

    /// How long nothing unknown is looked up for this address yet; `None` if it may ask.
    pub(super) fn blocked(&self, address: IpAddr) -> Option<Duration> {
        let (since, time) = *self.blocked.get(&address)?;
        Some(time.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
    }

    /// Counts a key that was unknown; each a single time in a minute.
    pub(super) fn count(&self, address: IpAddr, key: Fingerprint) {
        let Some(limiter) = &self.limiter else { return };
        let counted = self.counted.get(&(address, key)).map(|since| *since);
        if counted.is_some_and(|since| since.elapsed() < COUNTED_FOR) {
            return;
        }
        self.counted.insert((address, key), Stopwatch::start());
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
        self.counted.retain(|_, since| since.elapsed() < COUNTED_FOR);
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
        for guess in [1, 2, 3, 3, 3, 1] {
            keys.count(guesser, [guess; 16]);
            assert_eq!(keys.blocked(guesser), None, "the same key again is no guess");
        }
        keys.count(guesser, [4; 16]);
        assert!(keys.blocked(guesser).is_some() && keys.blocked(other).is_none());
        keys.tidy();
        assert!(keys.blocked(guesser).is_some(), "a look around frees nobody");

        let unlimited = FailedKeys::new(None);
        (0..200).for_each(|guess| unlimited.count(guesser, [guess; 16]));
        assert_eq!(unlimited.blocked(guesser), None);
    }
}
