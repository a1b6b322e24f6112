//! Opening a ledger: address, server version, settings that decide what survives a fault, and the
//! ledger's identity.

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError};

use super::keys::StoreKeys;
use super::link::{self, Expected};
use super::options::{OpenError, RedisOptions};
use super::script::field;
use crate::ledger::StoreIdentity;

/// What opening found.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) identity: StoreIdentity,
    pub(super) durability: &'static str,
    pub(super) keys: StoreKeys,
    pub(super) expected: Expected,
}

const OLDEST: (u32, u32) = (7, 0);

pub(super) async fn open(url: &str, options: &RedisOptions) -> Result<Opened, OpenError> {
    check_address(url)?;
    let prefix = &options.key_prefix;
    if prefix.is_empty() || prefix.contains(['{', '}', ':']) {
        return Err(OpenError::Address(format!(
            "key prefix \"{prefix}\": one or more characters, without ':', '{{' or '}}'"
        )));
    }
    let client = link::client(url, options)?;
    let steps = async {
        let mut connection =
            link::connection(&client, options.deadline).await.map_err(unavailable)?;
        let durability = check_server(&mut connection, options.allow_unsafe).await?;
        let keys = StoreKeys::new(prefix);
        let (identity, stored) = identity(&mut connection, &keys.identity()).await?;
        let expected = Expected { identity_key: keys.identity(), identity: Some(stored) };
        Ok(Opened { client: client.clone(), identity, durability, keys, expected })
    };
    // Each command has the deadline; all of them together get a few.
    let late =
        |_| OpenError::Unavailable(format!("no answer within {} ms", options.deadline.as_millis()));
    tokio::time::timeout(options.deadline.saturating_mul(5), steps).await.map_err(late)?
}

fn unavailable(error: RedisError) -> OpenError {
    OpenError::Unavailable(error.to_string())
}

fn check_address(url: &str) -> Result<(), OpenError> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let problem = match scheme {
        // The client library would take `#insecure` as a wish not to check the certificate.
        "rediss" if url.contains('#') => {
            "the certificate of the server is always checked; there is nothing after a '#'"
                .to_owned()
        }
        "redis" | "rediss" | "unix" | "redis+unix" => return Ok(()),
        "redis-cluster" | "rediss-cluster" => {
            "clusters are not supported in this version; give redis://host:port of one server"
                .to_owned()
        }
        "redis-sentinel" => {
            "Sentinel is not supported in this version; give redis://host:port of one server"
                .to_owned()
        }
        _ => "expected redis://host:port or rediss://host:port".to_owned(),
    };
    Err(OpenError::Address(problem))
}

/// Returns the durability tier.
async fn check_server(
    connection: &mut MultiplexedConnection,
    allow_unsafe: bool,
) -> Result<&'static str, OpenError> {
    let info: String = redis::cmd("INFO").query_async(connection).await.map_err(unavailable)?;
    let version = field(&info, "redis_version").unwrap_or("unknown");
    if parse_version(version).is_none_or(|version| version < OLDEST) {
        return Err(OpenError::Unsafe(format!(
            "server version {version}: at least {}.{} is needed",
            OLDEST.0, OLDEST.1
        )));
    }
    let mut problems = Vec::new();
    let policy = field(&info, "maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && field(&info, "maxmemory").unwrap_or("0") != "0" {
        problems.push(format!(
            "maxmemory-policy is {policy}, so a full server forgets balances; set it to noeviction"
        ));
    }
    let appends = field(&info, "aof_enabled") == Some("1");
    if !appends {
        problems.push(
            "appendonly is off, so a restart forgets what was decided; set appendonly yes"
                .to_owned(),
        );
    }
    if !problems.is_empty() && !allow_unsafe {
        return Err(OpenError::Unsafe(format!("unsafe server settings: {}", problems.join("; "))));
    }
    for problem in &problems {
        tracing::warn!(%problem, "unsafe server settings are allowed by configuration");
    }
    if !appends {
        return Ok("memory");
    }
    // If CONFIG is not allowed, the server's default is assumed.
    let policy: Result<Vec<String>, RedisError> =
        redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(connection).await;
    Ok(match policy.ok().and_then(|pair| pair.get(1).cloned()).as_deref() {
        Some("always") => "always",
        Some("no") => "memory",
        _ => "everysec",
    })
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Reads the identity, made by whoever came first: the ledger's id, a space and the secret in
/// hexadecimal.
async fn identity(
    connection: &mut MultiplexedConnection,
    key: &str,
) -> Result<(StoreIdentity, Vec<u8>), OpenError> {
    let fresh = StoreIdentity::fresh()
        .map_err(|error| OpenError::Unavailable(format!("no randomness: {error}")))?;
    let pepper: String = fresh.pepper.iter().map(|byte| format!("{byte:02x}")).collect();
    // A full server refuses every SETNX, also one that would change nothing.
    let mut stored: Option<Vec<u8>> =
        redis::cmd("GET").arg(key).query_async(connection).await.map_err(unavailable)?;
    if stored.is_none() {
        redis::cmd("SETNX")
            .arg(key)
            .arg(format!("{} {pepper}", fresh.ledger_id))
            .exec_async(connection)
            .await
            .map_err(unavailable)?;
        stored = redis::cmd("GET").arg(key).query_async(connection).await.map_err(unavailable)?;
    }
    let stored = stored.unwrap_or_default();
    let identity = parse_identity(&stored);
    identity.map(|identity| (identity, stored)).ok_or_else(|| {
        OpenError::Foreign(format!(
            "{key} holds something this version cannot read; is the key prefix another program's?"
        ))
    })
}

fn parse_identity(stored: &[u8]) -> Option<StoreIdentity> {
    let (ledger_id, hex) = std::str::from_utf8(stored).ok()?.split_once(' ')?;
    let mut pepper = [0u8; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in pepper.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(StoreIdentity { ledger_id: ledger_id.to_owned(), pepper })
}

#[cfg(test)]
mod tests {
    use super::{check_address, parse_identity, parse_version};

    #[test]
    fn an_address_that_cannot_be_used_says_why() {
        assert!(check_address("redis://127.0.0.1:6379").is_ok());
        assert!(check_address("rediss://127.0.0.1:6379").is_ok());
        for (url, word) in [
            ("redis-cluster://a:1", "cluster"),
            ("rediss://a/#insecure", "always checked"),
            ("localhost:6379", "expected"),
            ("http://a", "expected"),
        ] {
            assert!(check_address(url).unwrap_err().to_string().contains(word), "{url}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("7.0.15"), Some((7, 0)));
        assert!(parse_version("10.1.0") > parse_version("7.4.2"));
        assert_eq!(parse_version("unknown"), None);
    }

    #[test]
    fn an_identity_reads_back_or_is_refused() {
        let stored = format!("abc {}", "0f".repeat(32));
        assert_eq!(parse_identity(stored.as_bytes()).unwrap().pepper, [15; 32]);
        assert!(parse_identity(b"abc 0f").is_none());
    }
}
