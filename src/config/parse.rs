//! Parsers of single values: each takes the text of a key and returns the value, or a sentence that
//! names its mistake. Rules that the Admin API has too are in `catalog::validate`.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use rust_decimal::Decimal;

use super::mistake::did_you_mean;
use super::secret::Secret;
use super::store_url;
use crate::amount::Amount;
use crate::catalog::validate::must_be_one_of;
use crate::upstream::target::BaseUrl;

/// URL schemes of ledgers that are planned but not in this version.
const LATER_LEDGERS: [&str; 2] = ["redis-cluster", "redis-sentinel"];

/// Makes a parser out of a rule: the text itself, if the rule accepts it.
pub(super) fn valid(
    rule: impl Fn(&str) -> Result<(), String>,
) -> impl Fn(&str) -> Result<String, String> {
    move |text| rule(text).map(|()| text.to_owned())
}

/// Any text.
pub(super) fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A value whose type has a parser with an error for people.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("\"{text}\" does not fit: {error}"))
}

/// One of a closed list of names, each with its value.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)], text: &str) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let hint = did_you_mean(text, names.iter().copied());
    Err(format!("{}{hint}", must_be_one_of(&names, text)))
}

/// The address of a listener, `IP:PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.rsplit_once(':').map(|(_, port)| port) {
        Some(port) if port.parse::<u64>().is_ok_and(|port| port > u64::from(u16::MAX)) => {
            format!("{port} is no port; a port is at most 65535 (0 takes any that is free)")
        }
        _ => format!("must be an address such as \"127.0.0.1:8081\", not \"{text}\""),
    })
}

/// An upstream's base URL. A sentence about it does not repeat the text, which may contain a
/// password.
pub(super) fn upstream_url(text: &str, allow_plaintext: bool) -> Result<BaseUrl, String> {
    text.parse::<BaseUrl>()
        .and_then(|base| base.protected(allow_plaintext))
        .map_err(|error| error.to_string())
}

/// A network, or an address as one of its own.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(|| address(text)).ok_or_else(|| {
        format!("must be a network such as \"10.0.0.0/8\" or an address, not \"{text}\"")
    })
}

/// The ledger's URL. A sentence about it does not repeat the text, which may contain a password.
pub(super) fn ledger_url(text: &str) -> Result<Secret, String> {
    if let Some(directory) = text.strip_prefix("embedded:") {
        return if directory.is_empty() {
            Err("embedded: needs a directory, as in embedded:./data".to_owned())
        } else {
            Ok(Secret::new(text))
        };
    }
    match text.split_once("://") {
        Some(("redis" | "rediss", rest)) if !rest.trim_matches('/').is_empty() => {
            store_url::check(rest).map(|()| Secret::new(text))
        }
        Some((scheme, _)) if LATER_LEDGERS.contains(&scheme) => Err(format!(
            "{scheme}:// is not in this version; give the redis://HOST:PORT/0 of one server"
        )),
        _ => Err("must be embedded:DIR, redis://HOST:PORT/0 or rediss://HOST:PORT/0".to_owned()),
    }
}

/// Checks a gateway or bootstrap key; the sentence does not repeat it.
pub(super) fn validate_key(secret: &Secret) -> Result<(), String> {
    let text = secret.expose();
    if (16..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must be 16 to 255 visible ASCII characters".to_owned())
}

/// The ledger's own name: the 32 hexadecimal digits that it was given when it was created.
pub(super) fn ledger_id(text: &str) -> Result<String, String> {
    let hex = text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex {
        Ok(text.to_owned())
    } else {
        Err("must be the 32 hexadecimal digits that the log names as ledger_id".to_owned())
    }
}

/// The beginning of every key in a shared store: short, and without characters that have a meaning
/// in Redis (`{` and `}` choose the slot).
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=16).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to 16 letters, digits, \"_\" or \"-\", not \"{text}\""))
}

/// A rate card's id, which is also the beginning of its files' names.
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

/// An amount that is not negative.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let amount: Amount =
        text.parse().map_err(|error| format!("\"{text}\" does not fit: {error}"))?;
    if amount.is_negative() {
        Err(format!("must not be negative, and is {amount}"))
    } else {
        Ok(amount)
    }
}

/// An amount above zero.
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
