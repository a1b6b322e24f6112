//! What one account, and one key, may take of a gateway, so that nobody's storm is everybody's.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::ids::{AccountId, KeyId, SharedMap};

/// How many sends of each account are in work.
pub(super) struct Shares {
    most: usize,
    taken: SharedMap<AccountId, Arc<AtomicUsize>>,
}

/// One send of an account; it ends when dropped.
pub(super) struct Share(Arc<AtomicUsize>);

impl Shares {
    /// At most `most` for each account.
    pub(super) fn new(most: usize) -> Shares {
        Shares { most, taken: SharedMap::default() }
    }

    /// One more; `None` if the account has all it may have.
    pub(super) fn take(&self, account: &AccountId) -> Option<Share> {
        let known = self.taken.get(account).map(|taken| taken.clone());
        let taken = known.unwrap_or_else(|| self.taken.entry(account.clone()).or_default().clone());
        // Counted first, so that two at once cannot both take the last.
        let share = Share(taken);
        let before = share.0.fetch_add(1, Ordering::Relaxed);
        (before < self.most).then_some(share)
    }

    /// Forgets accounts that have nothing in work.
    pub(super) fn tidy(&self) {
        // Whoever has a handle still, holds or is about to take a share.
        self.taken.retain(|_, taken| Arc::strong_count(taken) > 1);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many requests come with each key.
pub(super) struct KeyRates(Option<DefaultKeyedRateLimiter<(AccountId, KeyId)>>);

impl KeyRates {
    /// At most so many a second with one key; 0 is any number.
    pub(super) fn new(per_second: u32) -> KeyRates {
        let most = NonZeroU32::new(per_second);
        KeyRates(most.map(|most| RateLimiter::keyed(Quota::per_second(most))))
    }

    /// Counts one more; `false` if that is too many.
    pub(super) fn admits(&self, account: &AccountId, key: &KeyId) -> bool {
        let Some(limiter) = &self.0 else { return true };
        limiter.check_key(&(account.clone(), key.clone())).is_ok()
    }

    /// Forgets keys that nothing comes with.
    pub(super) fn tidy(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyRates, Shares};

    #[test]
    fn an_account_takes_its_share_and_no_more() {
        let shares = Shares::new(2);
        let take = |account: &str| shares.take(&account.parse().unwrap());
        let (first, _second) = (take("acme").unwrap(), take("acme").unwrap());
        assert!(take("acme").is_none() && take("acme").is_none());
        let _other = take("rival").unwrap();
        drop(first);
        let _third = take("acme").unwrap();
        assert!(take("acme").is_none());
        drop(_other);
        shares.tidy();
        assert_eq!(shares.taken.len(), 1, "what is in work is remembered, the rest is not");
        assert!(take("acme").is_none());
    }

    #[test]
    fn a_key_has_a_rate_of_its_own() {
        let admits = |rates: &KeyRates, key: &str| {
            rates.admits(&"acme".parse().unwrap(), &key.parse().unwrap())
        };
        let rates = KeyRates::new(2);
        assert!(admits(&rates, "a") && admits(&rates, "a"));
        assert!(!admits(&rates, "a") && admits(&rates, "b"));
        let unlimited = KeyRates::new(0);
        assert!((0..10_000).all(|_| admits(&unlimited, "a")));
    }
}
