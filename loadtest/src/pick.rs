//! Which of several a send belongs to: account, campaign, recipient. In turn, or so that few get
//! most, as customers do.

/// A choice among `count`, the same for the same send.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    count: u64,
    /// 1 takes all in turn; with `k` the first `x` of all get `x^(1/k)` of the sends.
    skew: u32,
    /// So that two choices of one send do not go together.
    seed: u64,
}

impl Pick {
    pub fn new(count: u64, skew: u32, seed: u64) -> Pick {
        Pick { count: count.max(1), skew, seed }
    }

    /// Returns the index for a send: below the count.
    pub fn of(&self, number: u64) -> u64 {
        if self.skew <= 1 {
            return number % self.count;
        }
        let uniform = (mix(number ^ self.seed) >> 11) as f64 / (1u64 << 53) as f64;
        let index = (self.count as f64 * uniform.powi(self.skew as i32)) as u64;
        index.min(self.count - 1)
    }
}

/// The finaliser of splitmix64: neighbours become far apart.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_turn_and_skewed() {
        let turn = Pick::new(3, 1, 7);
        assert_eq!((0..5).map(|n| turn.of(n)).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
        let skewed = Pick::new(1_000, 4, 7);
        let first = (0..100_000).filter(|n| skewed.of(*n) < 10).count();
        // 0.01^(1/4) = 0.316.
        assert!((30_600..32_600).contains(&first), "{first}");
        assert!((0..100_000).all(|n| skewed.of(n) < 1_000));
        assert_eq!(Pick::new(0, 4, 0).of(5), 0);
    }
}
