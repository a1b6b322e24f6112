//! What can be wrong with the address of a store. No sentence repeats the address, which may carry
//! a password.

/// Checks the part of a store's URL behind `scheme://`.
///
/// # Errors
/// A sentence: a user or password that needs percent-encoding, or a port that is none.
pub(super) fn check(rest: &str) -> Result<(), String> {
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    if user.is_some_and(needs_encoding) || (user.is_none() && hides_a_user(rest)) {
        return Err("its user or password has characters that must be percent-encoded: write \
                    / as %2F, ? as %3F, # as %23, @ as %40, % as %25, [ as %5B, ] as %5D and a \
                    space as %20"
            .to_owned());
    }
    let host = address.split(['/', '?', '#']).next().unwrap_or_default();
    // The port follows the brackets of an IPv6 address.
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    match behind.rsplit_once(':') {
        Some((_, port)) => check_port(port),
        None => Ok(()),
    }
}

/// Checks a port: 1 to 65535.
pub(super) fn check_port(port: &str) -> Result<(), String> {
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => {
            Err(format!("{port} is no port; a port is 1 to 65535"))
        }
        _ => Err("its port is not a number; a port is 1 to 65535".to_owned()),
    }
}

fn needs_encoding(user: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = user.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'/' | b'?' | b'#' | b'@' | b'[' | b']' => true,
        b'%' => !hex(bytes.get(at.saturating_add(1))) || !hex(bytes.get(at.saturating_add(2))),
        byte => !byte.is_ascii_graphic(),
    })
}

/// `:password` without the `@host` that was cut off, or is missing.
fn hides_a_user(rest: &str) -> bool {
    rest.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_a_store_understands_passes() {
        for rest in [
            "127.0.0.1:6379/0",
            "redis",
            "redis/1",
            "[::1]:6379/0",
            "[::1]",
            ":secret@host:6379",
            "user:p%2Fss%40word@host:6379/0",
            ":pa:ss!$&'()*+,;=~-._@host",
            "host:65535",
        ] {
            assert_eq!(check(rest), Ok(()), "{rest}");
        }
    }

    #[test]
    fn a_password_that_needs_encoding_is_named_and_not_printed() {
        for rest in [
            ":p@hunter2/word@host",
            ":hunter2/x@host:6379/0",
            ":hunter2#x@host",
            ":hunter2?x@host",
            "user:hunter2%@host",
            "user:hunter2%zz@host",
            ":hunter2@@host",
            ":hunter2 x@host",
            ":hunter2[x]@host",
            ":hunter2é@host",
            ":hunter2",
        ] {
            let sentence = check(rest).unwrap_err();
            assert!(sentence.contains("percent-encoded"), "{rest}: {sentence}");
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }

    #[test]
    fn a_port_is_1_to_65535() {
        for (rest, word) in [
            ("host:65536", "65536 is no port"),
            ("host:0/0", "0 is no port"),
            ("[::1]:70000", "70000 is no port"),
            (":secret@host:99999/0", "99999 is no port"),
            ("host:99999999999999999999", "is no port"),
            ("host:", "not a number"),
            ("host:x", "not a number"),
        ] {
            let sentence = check(rest).unwrap_err();
            assert!(sentence.contains(word), "{rest}: {sentence}");
        }
    }
}
