//! The rules that look at one file: each with the paths it holds for, what it looks for and why.

use super::lengths::{file_length, function_length, width};
use super::prose::{banned_words, opens_with, titles};
use super::rooms::upward_imports;
use super::source::{Finding, Source, find_word, words};

/// A rule on single files.
pub struct Rule {
    pub name: &'static str,
    pub why: &'static str,
    /// The paths it holds for.
    pub over: fn(&str) -> bool,
    pub find: fn(&Source) -> Vec<Finding>,
}

/// All of them; `examples.rs` shows each a text that breaks it.
pub const RULES: &[Rule] = &[
    Rule {
        name: "opening",
        why: "a reader learns what a file is for before reading it",
        over: is_rust,
        find: |source| opens_with(source, "//!"),
    },
    Rule {
        name: "script opening",
        why: "a script's keys, arguments and reply are its contract",
        over: |path| path.ends_with(".lua"),
        find: |source| opens_with(source, "--"),
    },
    Rule {
        name: "title",
        why: "one document, one subject",
        over: |path| path.ends_with(".md"),
        find: titles,
    },
    Rule {
        name: "file length",
        why: "a file that outgrows this holds two subjects",
        over: |path| is_rust(path) || path.ends_with(".lua"),
        find: file_length,
    },
    Rule {
        name: "function length",
        why: "a function fits a screen, so that its order can be checked by reading",
        over: |path| is_rust(path) || path.ends_with(".lua"),
        find: function_length,
    },
    Rule {
        name: "width",
        why: "two files fit side by side, and lengths mean the same everywhere",
        over: |path| is_rust(path) || path.ends_with(".lua"),
        find: width,
    },
    Rule {
        name: "plain prose",
        why: "a doc comment states what is returned and when, in the words every Rust reader knows",
        over: is_rust,
        find: banned_words,
    },
    Rule {
        name: "rooms",
        why: "rooms depend downwards, so that one can be tested without those above it",
        over: is_gateway,
        find: upward_imports,
    },
    Rule {
        name: "redis",
        why: "only src/ledger/redis knows that client; mod.rs and open.rs pick the backend",
        over: |path| {
            is_gateway(path)
                && !in_room(path, "src/ledger/redis")
                && !matches!(path, "src/ledger.rs" | "src/ledger/mod.rs" | "src/ledger/open.rs")
        },
        find: |source| names(source, &["redis::"]),
    },
    Rule {
        name: "sqlite",
        why: "only src/ledger/embedded knows that database",
        over: |path| is_gateway(path) && !in_room(path, "src/ledger/embedded"),
        find: |source| names(source, &["rusqlite::"]),
    },
    Rule {
        name: "two ledgers",
        why: "the ledgers share rules and a test suite, not parts of each other",
        over: |path| in_room(path, "src/ledger/redis") || in_room(path, "src/ledger/embedded"),
        find: |source| {
            let other = if in_room(&source.path, "src/ledger/redis") {
                "embedded::"
            } else {
                "ledger::redis::"
            };
            names(source, &[other])
        },
    },
    Rule {
        name: "graph host",
        why: "only src/upstream talks to Meta; where it stands is configuration",
        over: |path| {
            path.starts_with("src/")
                && !in_room(path, "src/upstream")
                && !in_room(path, "src/config")
        },
        find: |source| contains(source, &source.text, &["graph.facebook.com"]),
    },
    Rule {
        name: "status codes",
        why: "rooms answer in their own words; one place each turns them into HTTP",
        over: |path| {
            is_gateway(path)
                && !in_room(path, "src/http")
                && !in_room(path, "src/admin")
                && path != "src/send/reply.rs"
        },
        find: |source| names(source, &["StatusCode::"]),
    },
    Rule {
        name: "no http",
        why: "business operations, ledger and prices are the same behind every protocol",
        over: |path| {
            let rooms = ["src/control", "src/ledger", "src/pricing"];
            is_gateway(path) && rooms.iter().any(|room| in_room(path, room))
        },
        find: |source| {
            names(source, &["http::", "hyper::", "hyper_util::", "axum::", "StatusCode"])
        },
    },
    Rule {
        name: "metric names",
        why: "src/metrics.rs is the list of what can be watched",
        over: |path| is_gateway(path) && !in_room(path, "src/metrics"),
        find: |source| {
            let mut found = contains(source, &source.literals, &["\"tollgate_"]);
            // The simulator's crate, in a log filter.
            found.retain(|finding| {
                !line_of(&source.literals, finding.line).contains("\"tollgate_simulator")
            });
            found
        },
    },
    Rule {
        name: "clock",
        why: "tests advance the clock, and a decision uses one instant: ask the injected clock",
        over: |path| is_gateway(path) && path != "src/clock.rs",
        find: |source| {
            names(source, &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"])
        },
    },
    Rule {
        name: "printing",
        why: "stdout belongs to the commands' answers and stderr to the log",
        over: |path| is_gateway(path) && !in_room(path, "src/commands") && path != "src/main.rs",
        find: |source| names(source, &["clippy::print_stdout", "clippy::print_stderr"]),
    },
    Rule {
        name: "no floats",
        why: "money is a count of micro-credits; a float loses some of them",
        over: is_money,
        find: |source| names(source, &["f32", "f64"]),
    },
    Rule {
        name: "exact arithmetic",
        why: "overflow of money is an error, never a wrap or a panic; mod.rs denies both lints",
        over: |path| is_money(path) && opens_money_room(path),
        find: exact_arithmetic,
    },
    Rule {
        name: "pure",
        why: "what decides about money is a function of its arguments: no I/O, no clock",
        over: is_money,
        find: |source| {
            names(source, &["std::fs", "std::net", "std::env", "std::thread", "tokio", "Clock"])
        },
    },
    Rule {
        name: "unfinished",
        why: "what is half done is not committed, and a test that is skipped shows nothing",
        over: is_rust,
        find: |source| names(source, &["todo!", "unimplemented!", "dbg!", "#[ignore"]),
    },
    Rule {
        name: "vague names",
        why: "a name for everything gathers everything: name what it holds",
        over: is_rust,
        find: vague_names,
    },
    Rule {
        name: "machine paths",
        why: "the repository works wherever it is cloned",
        over: |_| true,
        find: machine_paths,
    },
    Rule {
        name: "registries",
        why: "where packages come from is the machine's setting, so that mirrors work",
        over: |_| true,
        find: |source| contains(source, &source.text, REGISTRIES),
    },
];

// In pieces, because these rules read this file too.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.go", "lang.org"),
    concat!("deb.deb", "ian.org"),
];
const MACHINE_PATHS: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
const VAGUE: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "types"];

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_gateway(path: &str) -> bool {
    path.starts_with("src/") && is_rust(path)
}

/// Whether the path is the file `room.rs` or in the directory `room/`.
fn in_room(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

/// `amount`, `pricing` and the ledger's rules (`rules.rs`, `rules_*.rs` or `rules/`).
fn is_money(path: &str) -> bool {
    is_rust(path)
        && (in_room(path, "src/amount")
            || in_room(path, "src/pricing")
            || path.starts_with("src/ledger/rules"))
}

/// Whether inner attributes of this file hold for a whole money room.
fn opens_money_room(path: &str) -> bool {
    let roots = ["src/amount", "src/pricing", "src/ledger/rules"];
    roots
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| matches!(rest, ".rs" | "/mod.rs")))
        || (path.starts_with("src/ledger/rules_") && path.matches('/').count() == 2)
}

fn line_of(text: &str, line: usize) -> &str {
    text.lines().nth(line - 1).unwrap_or_default()
}

/// Whole words or paths in code, comments and literals left out.
fn names(source: &Source, needles: &[&str]) -> Vec<Finding> {
    let hits = needles
        .iter()
        .flat_map(|needle| find_word(&source.code, needle).into_iter().map(move |at| (at, needle)));
    hits.map(|(at, needle)| Finding { line: source.line(at), what: format!("names `{needle}`") })
        .collect()
}

/// Plain text in one of the source's texts.
fn contains(source: &Source, text: &str, needles: &[&str]) -> Vec<Finding> {
    let hits = needles.iter().flat_map(|needle| text.match_indices(needle));
    hits.map(|(at, needle)| Finding { line: source.line(at), what: format!("says {needle}") })
        .collect()
}

/// A money room's root without `#![deny(...)]` (or forbid, plain or in `cfg_attr`) of both
/// arithmetic lints.
fn exact_arithmetic(source: &Source) -> Vec<Finding> {
    let mut denied = String::new();
    for (at, _) in source.code.match_indices("#![") {
        let attribute = source.code[at..].split(']').next().unwrap_or_default();
        if attribute.contains("deny(") || attribute.contains("forbid(") {
            denied.push_str(attribute);
        }
    }
    let missing: Vec<&str> = ["clippy::float_arithmetic", "clippy::arithmetic_side_effects"]
        .into_iter()
        .filter(|lint| find_word(&denied, lint).is_empty())
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![Finding { line: 1, what: format!("lacks `#![deny({})]`", missing.join(", ")) }]
}

fn vague_names(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(part) =
        source.path.trim_end_matches(".rs").split('/').find(|part| VAGUE.contains(part))
    {
        found.push(Finding { line: 1, what: format!("`{part}` in the path says nothing") });
    }
    for pair in words(&source.code).windows(2) {
        if let [(at, "mod"), (_, name)] = pair
            && VAGUE.contains(name)
        {
            found.push(Finding {
                line: source.line(*at),
                what: format!("module `{name}` says nothing"),
            });
        }
    }
    found
}

/// Absolute paths of the machine the code was written on; a directory of such a name further down
/// is none.
fn machine_paths(source: &Source) -> Vec<Finding> {
    let absolute = |at: usize| {
        let before = source.text[..at].chars().next_back();
        before.is_none_or(|before| {
            !before.is_alphanumeric() && !matches!(before, '.' | '-' | '_' | '/' | '}' | '>')
        })
    };
    let hits = MACHINE_PATHS
        .iter()
        .flat_map(|path| source.text.match_indices(path))
        .filter(|(at, _)| absolute(*at));
    hits.map(|(at, path)| Finding { line: source.line(at), what: format!("says {path}") }).collect()
}
