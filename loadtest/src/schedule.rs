//! When the sends of an open loop are due: stretches of time in which the rate is constant or
//! changes evenly.

use std::time::Duration;

/// A stretch of a schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    pub duration: Duration,
    /// Sends a second at its beginning and at its end.
    pub from: f64,
    pub to: f64,
}

/// Stretches one after the other. The n-th send, counted from 0, is due when n sends have been.
#[derive(Debug, Clone)]
pub struct Schedule {
    parts: Vec<Part>,
    total: u64,
    duration: Duration,
}

/// A stretch with what came before it.
#[derive(Debug, Clone)]
struct Part {
    begin: f64,
    seconds: f64,
    before: f64,
    from: f64,
    to: f64,
}

impl Part {
    /// Sends due `seconds` after the part's beginning, without those before it.
    fn count(&self, seconds: f64) -> f64 {
        let seconds = seconds.min(self.seconds);
        self.from * seconds + (self.to - self.from) * seconds * seconds / (2.0 * self.seconds)
    }

    /// Seconds after the part's beginning until `count` of its sends are due.
    fn time(&self, count: f64) -> f64 {
        let growth = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * growth * count).max(0.0).sqrt();
        // The form of the quadratic's solution that also holds for a constant rate.
        let seconds = 2.0 * count / (self.from + root);
        if seconds.is_finite() { seconds.clamp(0.0, self.seconds) } else { 0.0 }
    }
}

impl Schedule {
    pub fn new(stretches: &[Stretch]) -> Schedule {
        let (mut parts, mut begin, mut before) = (Vec::new(), 0.0, 0.0);
        for stretch in stretches {
            let seconds = stretch.duration.as_secs_f64();
            let part = Part { begin, seconds, before, from: stretch.from, to: stretch.to };
            begin += seconds;
            before += part.count(seconds);
            parts.push(part);
        }
        let duration = stretches.iter().map(|stretch| stretch.duration).sum();
        // The sum of products such as 40 * 0.1 may be a hair below the whole number meant.
        Schedule { parts, total: ((before + 1e-6) as u64).max(1), duration }
    }

    pub fn constant(rate: u32, duration: Duration) -> Schedule {
        let rate = f64::from(rate);
        Schedule::new(&[Stretch { duration, from: rate, to: rate }])
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns how many sends are due `elapsed` after the start, the one of that moment included.
    pub fn due(&self, elapsed: Duration) -> u64 {
        let at = elapsed.as_secs_f64();
        let part = self.parts.iter().rev().find(|part| part.begin <= at);
        let count = part.map_or(0.0, |part| part.before + part.count(at - part.begin));
        (count as u64 + 1).min(self.total)
    }

    /// Returns when a send is due, counted from the start.
    pub fn start_of(&self, number: u64) -> Duration {
        let count = number as f64;
        let part = self.parts.iter().rev().find(|part| part.before <= count);
        let seconds = part.map_or(0.0, |part| part.begin + part.time(count - part.before));
        Duration::from_secs_f64(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_constant_rate() {
        let schedule = Schedule::constant(40, SECOND / 10);
        assert_eq!((schedule.total(), schedule.duration()), (4, SECOND / 10));
        assert_eq!(schedule.due(Duration::ZERO), 1);
        assert_eq!(schedule.due(Duration::from_millis(30)), 2);
        assert_eq!(schedule.due(SECOND), 4);
        assert_eq!(schedule.start_of(0), Duration::ZERO);
        assert_eq!(schedule.start_of(3), Duration::from_millis(75));
    }

    #[test]
    fn a_ramp_a_pause_and_a_burst() {
        let stretch = |from, to| Stretch { duration: SECOND, from, to };
        let schedule =
            Schedule::new(&[stretch(0.0, 100.0), stretch(0.0, 0.0), stretch(500.0, 500.0)]);
        assert_eq!(schedule.total(), 550);
        // A quarter of a ramp's sends in the first half of its time.
        assert_eq!(schedule.due(SECOND / 2), 13);
        assert_eq!(schedule.due(SECOND * 3 / 2), 51);
        assert_eq!(schedule.start_of(50), SECOND * 2);
        let halfway = schedule.start_of(300).as_secs_f64();
        assert!((halfway - 2.5).abs() < 1e-9, "{halfway}");
        for number in 0..schedule.total() {
            let start = schedule.start_of(number);
            let before = start.saturating_sub(Duration::from_micros(10));
            let after = start + Duration::from_micros(10);
            assert!(schedule.due(after) > number, "{number} at {start:?}");
            assert!(schedule.due(before) <= number + 1, "{number} at {start:?}");
        }
    }
}
