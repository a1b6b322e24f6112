//! The batch script: its parts as one text, made for one run of one server, so that a server that
//! was restarted or replaced does not know it.

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::{codes, keys};

/// In this order: each part uses those above it.
const PARTS: [&str; 13] = [
    include_str!("lua/args.lua"),
    include_str!("lua/store.lua"),
    include_str!("lua/state.lua"),
    include_str!("lua/money.lua"),
    include_str!("lua/settings.lua"),
    include_str!("lua/campaign.lua"),
    include_str!("lua/alias.lua"),
    include_str!("lua/window.lua"),
    include_str!("lua/caps.lua"),
    include_str!("lua/guards.lua"),
    include_str!("lua/reserve.lua"),
    include_str!("lua/resolve.lua"),
    include_str!("lua/batch.lua"),
];

/// Gives a claim up, if its owner asks.
pub(super) const UNCLAIM: &str = include_str!("lua/unclaim.lua");

/// Writes a little; like the batch script of sends it is refused by a server that is full, a
/// replica, or cannot persist.
pub(super) const PROBE: &str = concat!("#!lua\n", include_str!("lua/probe.lua"));

/// Reports that a gateway is alive, and counts those that are; also if memory is short.
pub(super) const ALIVE: &str = concat!("#!lua flags=allow-oom\n", include_str!("lua/alive.lua"));

/// The same script under two digests.
pub(super) struct Digests {
    /// Refused by a server that is out of memory.
    pub(super) growing: String,
    /// Runs there too.
    pub(super) always: String,
}

/// The whole script for the server run of that id. The first line makes the server check role and,
/// without the flag, memory before it runs.
fn text(flags: &str, run_id: &str) -> String {
    format!(
        "#!lua{flags}\n-- for server run {run_id}\n{}{}",
        keys::script_names(),
        codes::substitute(&PARTS.join("\n"))
    )
}

/// Loads the script; returns its digests.
pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<Digests, RedisError> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let run_id = field(&info, "run_id").unwrap_or("unknown");
    let growing =
        redis::cmd("SCRIPT").arg("LOAD").arg(text("", run_id)).query_async(connection).await?;
    let always = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(text(" flags=allow-oom", run_id))
        .query_async(connection)
        .await?;
    Ok(Digests { growing, always })
}

/// A field of an INFO reply.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PARTS;
    use crate::ledger::redis::codes::{constants, parts};
    use crate::ledger::redis::keys::script_names;

    /// Codes that only encode.rs uses: scripts need no name for what is none of the others.
    const UNNAMED: &[&str] = &["ARG_KNOWN_NOTHING"];

    #[test]
    fn every_kind_of_key_name_in_a_script_is_known_and_used() {
        let table = script_names();
        let known: BTreeSet<&str> = table
            .split([' ', '{'])
            .collect::<Vec<_>>()
            .windows(2)
            .filter(|pair| pair[1] == "=")
            .map(|pair| pair[0])
            .filter(|name| *name != "N")
            .collect();
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let used: BTreeSet<&str> = PARTS
            .iter()
            .flat_map(|part| part.split(|c: char| !is_name(c) && c != '.'))
            .filter_map(|word| word.strip_prefix("N."))
            .collect();
        assert_eq!(used, known);
    }

    #[test]
    fn every_name_in_a_script_is_known_and_every_code_is_used() {
        let known = constants();
        let code = |script: &str| -> Vec<String> {
            script.lines().map(|line| line.split("--").next().unwrap_or("").to_owned()).collect()
        };
        let lines: Vec<String> = PARTS.iter().flat_map(|part| code(part)).collect();
        let used: Vec<&str> = lines.iter().flat_map(|line| parts(line)).collect();
        let is_name = |part: &&str| {
            part.contains('_') && !part.contains(|c: char| !matches!(c, 'A'..='Z' | '_'))
        };
        for name in used.iter().copied().filter(|part| is_name(part)) {
            assert!(known.contains_key(name), "{name} is no code of codes.rs");
        }
        // Words of the contract that no script decides are free; numbers and letters are not.
        let shared = |name: &&String| {
            ["V_", "OP_", "REPLY_", "ARG_", "FIELD_", "USAGE_", "OUTCOME_", "FLAG_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        for name in known.keys().filter(shared).filter(|name| !UNNAMED.contains(&name.as_str())) {
            assert!(used.contains(&name.as_str()), "no script uses {name}");
        }
    }
}
