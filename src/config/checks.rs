//! Checks of single values: each takes a text and gives the value, or a sentence saying what is
//! wrong with it.

use std::net::SocketAddr;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::mistake::did_you_mean;
use super::secret::Secret;
use crate::amount::Amount;

/// Schemes of ledgers that are planned.
const LATER_LEDGERS: [&str; 3] = ["redis-cluster", "redis-sentinel", "rediss"];

/// Meta limits template names to 512 characters.
const TEMPLATE_NAME_MAX: usize = 512;

/// A text that is not empty.
pub(super) fn present(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Anything with a parser whose error explains itself.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("\"{text}\" does not fit: {error}"))
}

/// One of a closed list of names, each with its value.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)], text: &str) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let hint = did_you_mean(text, choices.iter().map(|(name, _)| *name));
    Err(format!("must be {}, not \"{text}\"{hint}", names.join(" or ")))
}

/// `IP:PORT`; empty is no listener.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("must be an address such as \"127.0.0.1:8081\", not \"{text}\""))
}

/// An upstream's base URL without its trailing slash. The text is not repeated, it may carry a
/// password.
pub(super) fn upstream_url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return Err(
            "https is not in this version: put a local forwarder that speaks TLS in front of it and give its http:// address".to_owned()
        );
    }
    let malformed = || "must be http://HOST:PORT".to_owned();
    let uri: http::Uri = text.parse().map_err(|_| malformed())?;
    let authority =
        uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(malformed)?;
    if uri.scheme_str() != Some("http") {
        return Err(malformed());
    }
    if authority.as_str().contains('@') {
        return Err("must not carry a user or password".to_owned());
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err("must be http://HOST:PORT without a path or query".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The ledger's URL. The text is not repeated, it may carry a password.
pub(super) fn ledger_url(text: &str) -> Result<Secret, String> {
    if let Some(directory) = text.strip_prefix("embedded:") {
        return if directory.is_empty() {
            Err("embedded: needs a directory, as in embedded:./data".to_owned())
        } else {
            Ok(Secret::new(text))
        };
    }
    match text.split_once("://") {
        Some(("redis", rest)) if !rest.trim_matches('/').is_empty() => Ok(Secret::new(text)),
        Some((scheme, _)) if LATER_LEDGERS.contains(&scheme) => Err(format!(
            "{scheme}:// is not in this version; give the redis://HOST:PORT/0 of one server"
        )),
        _ => Err("must be embedded:DIR or redis://HOST:PORT/0".to_owned()),
    }
}

/// A gateway or bootstrap key. The text is not repeated.
pub(super) fn key(secret: &Secret) -> Result<(), String> {
    let text = secret.expose();
    if (16..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must be 16 to 255 visible ASCII characters".to_owned())
}

/// What the names in a shared store begin with: short and without characters that mean something
/// there.
pub(super) fn ledger_id(text: &str) -> Result<String, String> {
    let hex = text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex {
        Ok(text.to_owned())
    } else {
        Err("must be the 32 hexadecimal digits that the log names as ledger_id".to_owned())
    }
}

pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=16).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to 16 letters, digits, \"_\" or \"-\", not \"{text}\""))
}

/// A variable's name. The text is not repeated: people paste the secret itself here.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err("must be a variable's name in capitals, digits and \"_\", not the secret itself".to_owned())
}

/// A name of an environment variable, with an optional star at the end. A star alone is refused: it
/// would let `token_env` send any secret of the process to upstream.
pub(super) fn environment_pattern(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(text.to_owned());
    }
    Err(format!("must be a variable's name with an optional \"*\" at its end, not \"{text}\""))
}

/// A path that stays inside its directory.
pub(super) fn inner_path(text: &str) -> Result<String, String> {
    let inside = std::path::Path::new(text)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if inside {
        Ok(text.to_owned())
    } else {
        Err(format!("must be a path inside secrets.dir, not \"{text}\""))
    }
}

/// A currency's three capitals, or `message`.
pub(super) fn calling_code(text: &str) -> Result<String, String> {
    let digits = (1..=4).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    if digits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 4 digits, for example \"91\"".to_owned())
    }
}

pub(super) fn currency(text: &str) -> Result<String, String> {
    if text == "message" || (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Ok(text.to_owned());
    }
    Err(format!("must be a currency such as \"USD\", or \"message\", not \"{text}\""))
}

/// A zone of the IANA database.
pub(super) fn time_zone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "\"{text}\" is not a known time zone; write it as \"Asia/Kolkata\" or \"UTC\""
        )),
    }
}

/// A rate card's id, as file names allow it.
pub(super) fn rate_card(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to 64 lower-case letters, digits or \"-\", not \"{text}\""))
}

/// An amount of at least nothing.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let amount: Amount =
        text.parse().map_err(|error| format!("\"{text}\" does not fit: {error}"))?;
    if amount.is_negative() {
        Err(format!("must not be negative, and is {amount}"))
    } else {
        Ok(amount)
    }
}

/// An amount above nothing.
pub(super) fn positive_amount(text: &str) -> Result<Amount, String> {
    let amount = amount(text)?;
    if amount.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(amount) }
}

/// A mark-up in percent: 0 to 1000, at most four decimals.
pub(super) fn percent(text: &str) -> Result<Decimal, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match Decimal::from_str_exact(text) {
        Ok(value) if plain && value <= Decimal::ONE_THOUSAND && value.normalize().scale() <= 4 => {
            Ok(value)
        }
        _ => Err(format!(
            "must be a percentage from \"0\" to \"1000\" with at most 4 decimals, not \"{text}\""
        )),
    }
}

/// A template's name as Meta allows it.
pub(super) fn template_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=TEMPLATE_NAME_MAX).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be 1 to {TEMPLATE_NAME_MAX} lower-case letters, digits or \"_\", not \"{text}\""
    ))
}

/// A template's language as Meta writes it: `en`, `en_US`, `zh_HK`, `fil`.
pub(super) fn template_language(text: &str) -> Result<String, String> {
    let (language, region) =
        text.split_once('_').map_or((text, None), |(language, region)| (language, Some(region)));
    let letters = |part: &str, case: fn(&u8) -> bool| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| case(&byte))
    };
    if letters(language, u8::is_ascii_lowercase)
        && region.is_none_or(|region| letters(region, u8::is_ascii_uppercase))
    {
        return Ok(text.to_owned());
    }
    Err(format!("must be a language such as \"en_US\" or \"en\", not \"{text}\""))
}
