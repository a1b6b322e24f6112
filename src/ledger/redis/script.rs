//! The batch script: its parts as one text, kept by the server as a function, so that what it is
//! made of is made once. A server that was replaced does not know it, and has it loaded again.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

use super::{codes, keys};

/// In this order: each part uses those above it. The last makes `run`.
const PARTS: [&str; 21] = [
    include_str!("lua/args.lua"),
    include_str!("lua/store.lua"),
    include_str!("lua/state.lua"),
    include_str!("lua/money.lua"),
    include_str!("lua/settings.lua"),
    include_str!("lua/campaign.lua"),
    include_str!("lua/alias.lua"),
    include_str!("lua/people.lua"),
    include_str!("lua/window.lua"),
    include_str!("lua/caps.lua"),
    include_str!("lua/blocks.lua"),
    include_str!("lua/bookings.lua"),
    include_str!("lua/guards.lua"),
    include_str!("lua/terms.lua"),
    include_str!("lua/reserve.lua"),
    include_str!("lua/prune.lua"),
    include_str!("lua/resolve.lua"),
    include_str!("lua/plain.lua"),
    include_str!("lua/settles.lua"),
    include_str!("lua/operations.lua"),
    include_str!("lua/batch.lua"),
];

/// Gives a claim up, if its owner asks.
pub(super) const UNCLAIM: &str = include_str!("lua/unclaim.lua");

/// Writes a little; like the batch script of sends it is refused by a server that is full, a
/// replica, or cannot persist.
pub(super) const PROBE: &str = concat!("#!lua\n", include_str!("lua/probe.lua"));

/// Reports that a gateway is alive, and counts those that are; also if memory is short.
pub(super) const ALIVE: &str = concat!("#!lua flags=allow-oom\n", include_str!("lua/alive.lua"));

/// The batch script as a server knows it, under two names.
pub(super) struct Script {
    /// Refused by a server that is out of memory.
    pub(super) growing: Callee,
    /// Runs there too.
    pub(super) always: Callee,
}

/// What is called.
pub(super) struct Callee {
    command: &'static str,
    name: String,
}

impl Callee {
    /// For a call that is never sent.
    pub(super) const fn unnamed() -> Callee {
        Callee { command: "FCALL", name: String::new() }
    }

    /// The beginning of a call: the keys' number, the keys and the arguments follow.
    pub(super) fn begin(&self, command: &mut Cmd) {
        command.arg(self.command).arg(&self.name);
    }
}

/// The parts with the values of their names.
fn body() -> String {
    format!("{}{}", keys::script_names(), codes::substitute(&PARTS.join("\n")))
}

/// A name that differs with the text (FNV-1a), so that gateways of two versions share a server.
fn name_of(body: &str) -> String {
    let hash = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("tg_batch_{hash:016x}")
}

/// Loads the script as a function, on every server under the same names. A server that is full
/// takes no new function, and one may be forbidden: there it is a script, which is slower.
pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<Script, RedisError> {
    let body = body();
    let name = name_of(&body);
    let text = format!(
        "#!lua name={name}\n{body}\n\
         redis.register_function('{name}', run)\n\
         redis.register_function{{ function_name = '{name}_always', callback = run, \
         flags = {{ 'allow-oom' }} }}\n"
    );
    let loaded: Result<String, RedisError> =
        redis::cmd("FUNCTION").arg("LOAD").arg(text).query_async(connection).await;
    match loaded {
        Err(error) if !is_loaded(&error) => {
            if is_out_of_memory(&error) || error.code() == Some("NOPERM") {
                return load_script(connection, &body).await;
            }
            return Err(error);
        }
        _ => {}
    }
    let always = Callee { command: "FCALL", name: format!("{name}_always") };
    Ok(Script { growing: Callee { command: "FCALL", name }, always })
}

async fn load_script(
    connection: &mut MultiplexedConnection,
    body: &str,
) -> Result<Script, RedisError> {
    let mut load = async |flags: &str| {
        let text = format!("#!lua{flags}\n{body}\nreturn run(KEYS, ARGV)\n");
        let digest: Result<String, RedisError> =
            redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async(connection).await;
        digest.map(|name| Callee { command: "EVALSHA", name })
    };
    Ok(Script { growing: load("").await?, always: load(" flags=allow-oom").await? })
}

/// The server is full and refused before it did anything.
pub(super) fn is_out_of_memory(error: &RedisError) -> bool {
    error.code() == Some("OOM")
}

/// A function of that name, which means of that text, is there.
fn is_loaded(error: &RedisError) -> bool {
    error.to_string().contains("already exists")
}

/// The server does not know what was called, so it did not run.
pub(super) fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        || error.to_string().contains("Function not found")
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
    const UNNAMED: &[&str] = &["KNOWN_NOTHING"];

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
            ["V_", "OP_", "REPLY_", "ARG_", "FIELD_", "OUTCOME_", "FLAG_", "PHASE_", "TERMS_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        for name in known.keys().filter(shared).filter(|name| !UNNAMED.contains(&name.as_str())) {
            assert!(used.contains(&name.as_str()), "no script uses {name}");
        }
    }
}
