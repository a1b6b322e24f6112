//! Amounts as the admin API writes them: decimal strings, counted here in whole micro-credits.

/// Micro-credits in one credit.
const MICROS: i64 = 1_000_000;

/// Reads `-12.3456`: at most 6 decimals, nothing else around it.
pub fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not an amount with at most 6 decimals");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 6 {
        return Err(wrong());
    }
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole
        .checked_mul(MICROS)
        .and_then(|micros| micros.checked_add(fraction))
        .ok_or_else(wrong)?;
    Ok(if negative { -micros } else { micros })
}

/// Writes micro-credits with as many decimals as they need.
pub fn format(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let scale = MICROS.unsigned_abs();
    let text = std::format!("{sign}{}.{:06}", micros / scale, micros % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, micros) in [
            ("0", 0),
            ("0.00", 0),
            ("98.82", 98_820_000),
            ("-1.5", -1_500_000),
            ("0.000001", 1),
            ("-0.0118", -11_800),
        ] {
            assert_eq!(parse(text), Ok(micros), "{text}");
            assert_eq!(parse(&format(micros)), Ok(micros), "{text}");
        }
        assert_eq!(format(98_820_000), "98.82");
        assert_eq!(format(-11_800), "-0.0118");
        assert_eq!(format(0), "0");
        for wrong in ["", "-", ".", "1.", ".5", "1e3", "1_0", "+1", "0.0000001", "99999999999999"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
