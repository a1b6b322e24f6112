//! Patterns of digits, as the columns of `spellings.csv` write them: `[2-9]x{7-9}`.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

/// Digits at each place, of which the last ones may be missing.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Bit `1 << digit` set for each digit the place may have.
    places: Vec<u16>,
    /// Digits it has at least; at most as many as there are places.
    least: usize,
}

/// Any digit.
const ANY: u16 = 0x3ff;

impl Pattern {
    /// Reads a pattern: a digit is itself, `[13-5]` one of several, `x` any; `{8}`
    /// and `{7-9}` repeat what is before them, the latter only at the end.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let fault = || format!("{text:?} is no pattern of digits");
        let (mut pattern, mut rest) = (Pattern { places: Vec::new(), least: 0 }, text);
        while let Some(first) = rest.chars().next() {
            if pattern.least < pattern.places.len() {
                return Err(fault());
            }
            let (place, after) = match first {
                '[' => {
                    let (class, after) =
                        rest.get(1..).and_then(|rest| rest.split_once(']')).ok_or_else(fault)?;
                    (digits_of(class).ok_or_else(fault)?, after)
                }
                'x' => (ANY, rest.get(1..).unwrap_or_default()),
                _ => (bit(first).ok_or_else(fault)?, rest.get(1..).unwrap_or_default()),
            };
            let (least, most, after) = match after.strip_prefix('{') {
                None => (1, 1, after),
                Some(repeat) => {
                    let (count, after) = repeat.split_once('}').ok_or_else(fault)?;
                    let (least, most) = count.split_once('-').unwrap_or((count, count));
                    let number = |text: &str| text.parse::<usize>().map_err(|_| fault());
                    (number(least)?, number(most)?, after)
                }
            };
            if least > most || most > 15 {
                return Err(fault());
            }
            pattern.least = pattern.least.saturating_add(least);
            pattern.places.extend(std::iter::repeat_n(place, most));
            rest = after;
        }
        Ok(pattern)
    }

    /// How many digits it has, if that is always the same.
    pub(super) fn length(&self) -> Option<usize> {
        (self.least == self.places.len()).then_some(self.least)
    }

    /// Whether these are all the digits it describes.
    pub(super) fn matches(&self, digits: &[u8]) -> bool {
        (self.least..=self.places.len()).contains(&digits.len())
            && digits
                .iter()
                .zip(&self.places)
                .all(|(digit, place)| bit(char::from(*digit)).is_some_and(|bit| place & bit != 0))
    }
}

/// The digits of a class, `13-5`.
fn digits_of(class: &str) -> Option<u16> {
    let (mut digits, mut rest) = (0, class);
    while let Some(first) = rest.chars().next() {
        let from = first.to_digit(10)?;
        rest = rest.get(1..)?;
        let mut to = from;
        if let Some(range) = rest.strip_prefix('-') {
            to = range.chars().next()?.to_digit(10)?;
            rest = range.get(1..)?;
        }
        digits |= (from..=to).map(|digit| 1u16.checked_shl(digit).unwrap_or(0)).sum::<u16>();
    }
    (digits != 0).then_some(digits)
}

fn bit(digit: char) -> Option<u16> {
    1u16.checked_shl(digit.to_digit(10)?)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_describes_digits() {
        let matches = |pattern: &str, digits: &str| {
            Pattern::parse(pattern).unwrap().matches(digits.as_bytes())
        };
        assert!(matches("15", "15") && !matches("15", "1") && !matches("15", "151"));
        assert!(matches("[13-5]x", "10") && matches("[13-5]x", "49") && !matches("[13-5]x", "20"));
        assert!(matches("9x{2-3}", "912") && matches("9x{2-3}", "9123"));
        assert!(!matches("9x{2-3}", "91") && !matches("9x{2-3}", "91234"));
        assert_eq!(Pattern::parse("0[12]x{3}").unwrap().length(), Some(5));
        assert_eq!(Pattern::parse("0x{3-4}").unwrap().length(), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["a", "[", "[]", "[1-]", "x{", "x{2", "x{3-2}", "x{16}", "x{1-2}3", "é"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
