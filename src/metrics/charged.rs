//! Charged credits by currency, category and country: whole micro-credits, written as exact
//! decimals, because the recorder's counters know whole numbers only.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::labels::{CATEGORIES, OTHER, position};
use crate::amount::Amount;
use crate::ids::SharedMap;

/// Currencies times categories times countries that get a series of their own; further ones are
/// counted under country "other".
pub(super) const SERIES_MAX: usize = 8192;

const NAME: &str = "tollgate_charged_credits_total";

/// The sums of all series.
#[derive(Default)]
pub(super) struct ChargedCredits {
    sums: SharedMap<Series, AtomicU64>,
    used: AtomicUsize,
}

/// The labels of one series, without anything on the heap so that a lookup allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Series {
    currency: Short<7>,
    category: u8,
    country: Short<5>,
}

/// Up to `N` letters, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Short<const N: usize>([u8; N]);

impl<const N: usize> Short<N> {
    /// `text` if it is 1 to `N` ASCII letters, else `other`.
    fn new(text: &str) -> Short<N> {
        let fits =
            (1..=N).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let mut letters = [0; N];
        let text = if fits { text } else { OTHER };
        letters.iter_mut().zip(text.bytes()).for_each(|(letter, byte)| *letter = byte);
        Short(letters)
    }

    fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        std::str::from_utf8(&self.0[..end]).unwrap_or(OTHER)
    }
}

impl ChargedCredits {
    /// Adds a charge; nothing is added for free messages and refunds.
    pub(super) fn add(&self, currency: &str, category: &str, country: &str, amount: Amount) {
        let Some(micros) = u64::try_from(amount.micros()).ok().filter(|micros| *micros > 0) else {
            return;
        };
        // The lists are shorter than 256, so the position fits.
        let category = u8::try_from(position(CATEGORIES, category)).unwrap_or_default();
        let series =
            Series { currency: Short::new(currency), category, country: Short::new(country) };
        if let Some(sum) = self.sums.get(&series) {
            sum.fetch_add(micros, Ordering::Relaxed);
            return;
        }
        let full = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            (used < SERIES_MAX).then_some(used + 1)
        });
        let series = if full.is_ok() {
            series
        } else {
            Series { currency: Short::new(OTHER), country: Short::new(OTHER), ..series }
        };
        self.sums.entry(series).or_default().fetch_add(micros, Ordering::Relaxed);
    }

    /// Appends all series in Prometheus' text format.
    pub(super) fn render(&self, text: &mut String) {
        let sum = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let mut sums: Vec<(Series, u64)> =
            self.sums.iter().map(|entry| (*entry.key(), sum(entry.value()))).collect();
        sums.sort_unstable();
        text.push_str(&format!(
            "# HELP {NAME} Credits charged for accepted sends.\n# TYPE {NAME} counter\n"
        ));
        for (Series { currency, category, country }, micros) in sums {
            let (currency, category, country) =
                (currency.as_str(), CATEGORIES[usize::from(category)], country.as_str());
            let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let labels =
                format!("currency=\"{currency}\",category=\"{category}\",country=\"{country}\"");
            text.push_str(&format!("{NAME}{{{labels}}} {whole}.{fraction:06}\n"));
        }
    }

    #[cfg(test)]
    pub(super) fn series(&self) -> usize {
        self.sums.len()
    }
}
