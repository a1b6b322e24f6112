//! A text that breaks each rule and its twin that keeps it: the proof that a green tidy test means
//! something.

/// One pair. `§` is taken out before use: it lets an example spell what no file may say.
pub struct Example {
    pub rule: &'static str,
    /// Paths of the two texts: the one that breaks the rule, the one that keeps it.
    pub paths: [&'static str; 2],
    /// Breaks the rule once.
    pub bad: &'static str,
    /// Nearly the same and within the rule.
    pub good: &'static str,
}

const fn example(
    rule: &'static str,
    path: &'static str,
    bad: &'static str,
    good: &'static str,
) -> Example {
    Example { rule, paths: [path, path], bad, good }
}

/// A pair for a rule that looks at the path itself.
const fn moved(rule: &'static str, from: &'static str, to: &'static str) -> Example {
    Example { rule, paths: [from, to], bad: "", good: "" }
}

/// At least one per rule, except lengths and width: `sizes_are_counted_to_the_line` shows those.
pub const EXAMPLES: &[Example] = &[
    example("opening", "src/ids.rs", "// Ids.\n", "//! Ids.\n"),
    example("opening", "tests/it/quota.rs", "//!\nuse x;\n", "//! Quota.\nuse x;\n"),
    example(
        "script opening",
        "src/ledger/redis/lua/reserve.lua",
        "local a = 1\n",
        "-- Reserve.\nlocal a = 1\n",
    ),
    example("title", "docs/ledger.md", "# One\n# Two\n", "# One\n```\n# a comment\n```\n## Two\n"),
    example("title", "docs/ledger.md", "Text\n", "<h1>Text</h1>\n"),
    example(
        "rooms",
        "src/send/price.rs",
        "use crate::admin::Keys;",
        "use crate::pricing::Quote; // crate::admin",
    ),
    example(
        "rooms",
        "src/http/router.rs",
        "use crate::{ids, send};",
        "use crate::{ids, ledger::send};",
    ),
    example("rooms", "src/pricing/mod.rs", "use super::ledger;", "mod tests { use super::quote; }"),
    example("rooms", "src/send/price.rs", "use crate::*;", "use self::*;"),
    example(
        "rooms",
        "src/gateway.rs",
        "use crate::commands::demo;",
        "use crate::{admin, config, send};",
    ),
    example("rooms", "src/jobs/sweep.rs", "use crate::config::Sweep;", "use crate::ledger::Hold;"),
    example("rooms", "src/amount.rs", "use crate::error::Error;", "use crate::amount::Amount;"),
    moved("rooms", "src/cellar.rs", "src/jobs/cellar.rs"),
    example("redis", "src/jobs/sweep.rs", "redis::cmd()", "let url = \"redis::\"; // redis::"),
    example("redis", "src/gateway.rs", "ledger::redis::open()", "my_redis::open()"),
    example(
        "sqlite",
        "src/ledger/redis/mod.rs",
        "use rusqlite::Connection;",
        "// rusqlite::Connection",
    ),
    example(
        "two ledgers",
        "src/ledger/redis/mod.rs",
        "use crate::ledger::embedded::Row;",
        "use crate::ledger::Row;",
    ),
    example(
        "two ledgers",
        "src/ledger/embedded/mod.rs",
        "use crate::ledger::redis::Row;",
        "use crate::ledger::Row;",
    ),
    example(
        "graph host",
        "src/send/mod.rs",
        "// https://graph.facebook.com/",
        "// https://developers.facebook.com/",
    ),
    example("status codes", "src/send/spine.rs", "StatusCode::OK", "fn f(status: StatusCode) {}"),
    example("status codes", "src/send/mod.rs", "http::StatusCode::OK", "// StatusCode::OK"),
    example("no http", "src/control/key.rs", "use http::HeaderMap;", "// http::HeaderMap"),
    example("no http", "src/ledger/view.rs", "fn f() -> StatusCode {}", "fn f() -> Status {}"),
    example("plain prose", "src/ids.rs", "/// It ans§wers.\n", "// It ans§wers.\n"),
    example("plain prose", "src/ids.rs", "//! Ids whe§re.\n", "/// Ids if `whe§re`.\n"),
    example(
        "metric names",
        "src/jobs/sweep.rs",
        "counter!(\"tollgate_sends_total\")",
        "// \"tollgate_sends_total\"",
    ),
    example(
        "metric names",
        "src/jobs/sweep.rs",
        "f(r\"tollgate_x\")",
        "f(\"tollgate_simulator=info\")",
    ),
    example(
        "clock",
        "src/send/spine.rs",
        "tokio::time::Instant::now()",
        "clock.now() // Instant::now()",
    ),
    example("clock", "src/commands/demo.rs", "SystemTime::now()", "SystemTime::UNIX_EPOCH"),
    example(
        "printing",
        "src/jobs/alerts.rs",
        "#[expect(clippy::print_stdout)]",
        "// clippy::print_stdout",
    ),
    example("no floats", "src/amount.rs", "fn f(x: f64) {}", "fn f(x: i64) {} // not f64"),
    example("no floats", "src/ledger/rules/wallet.rs", "x as f32", "xf32 as i64"),
    example(
        "exact arithmetic",
        "src/pricing/mod.rs",
        "//! P.\n#![deny(clippy::float_arithmetic)]",
        EXACT,
    ),
    example("exact arithmetic", "src/amount.rs", "// #![deny(clippy::float_arithmetic)]", EXACT),
    example("exact arithmetic", "src/ledger/rules.rs", "#![warn(clippy::float_arithmetic)]", EXACT),
    example("exact arithmetic", "src/ledger/rules/mod.rs", "mod wallet;", EXACT),
    example("pure", "src/pricing/card.rs", "std::fs::read(path)", "read(bytes) // std::fs"),
    example(
        "pure",
        "src/ledger/rules/windows.rs",
        "fn f(clock: &Clock) {}",
        "fn f(clock_millis: i64) {}",
    ),
    example("unfinished", "src/ids.rs", "fn f() { todo!() }", "fn f() { g(\"todo!\") }"),
    example("unfinished", "tests/it/quota.rs", "#[ignore = \"slow\"]", "#[ignored]"),
    moved("vague names", "src/send/utils.rs", "src/send/reply.rs"),
    moved("vague names", "tests/it/common/mod.rs", "tests/it/gateway/mod.rs"),
    example("vague names", "src/send/mod.rs", "mod helpers;", "mod helping;"),
    example("machine paths", "docs/operating.md", "see /ro§ot/x", "see src/ro§ot/x"),
    example("machine paths", ".ci/run", "cd /wo§rk/x", "cd target/wo§rk/x"),
    example("registries", "README.md", "from crates§.io", "from the default registry"),
];

const EXACT: &str =
    "//! Money.\n#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]\n";
