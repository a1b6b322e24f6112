//! Reads durations from the command line: `500ms`, `10s`, `2m`.

use std::time::Duration;

/// A whole number with a unit; at least one millisecond, at most a day.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| "give a whole number and a unit, like 500ms, 10s or 2m".to_owned())?;
    let millis = match &text[digits.len()..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => return Err("the unit must be ms, s or m".to_owned()),
    };
    match millis {
        Some(millis) if (1..=86_400_000).contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err("must be between 1ms and a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "1.5s", "-1s", "10h", "0s", "99999999999999999999s", "2000m"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
