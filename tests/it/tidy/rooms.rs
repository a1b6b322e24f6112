//! Which room may name which: rooms depend downwards, and send, webhook and admin stay apart.

use super::source::{Finding, Source, block_after, words};

/// One line per room, lowest first, with all it may import. A new room or edge is a decision: give
/// the reason here.
const ROOMS: &[(&str, &str)] = &[
    // The floor: words everybody uses.
    ("amount", ""),
    ("ids", ""),
    ("clock", ""),
    // The table of rejections: send, ledger, metrics and admin all read it.
    ("rejection", ""),
    ("metrics", "amount ids clock rejection"),
    // Pure: no metrics either. Category, country and market are its words, so its neighbours may
    // use them.
    ("pricing", "amount ids clock rejection"),
    ("upstream", "amount ids clock rejection metrics"),
    ("ledger", "amount ids clock rejection metrics pricing"),
    // Snapshots of the ledger's settings documents.
    ("catalog", "amount ids clock rejection metrics pricing ledger"),
    // The shared handles of the rooms below it, built once.
    ("services", "amount ids clock rejection metrics pricing ledger catalog upstream"),
    // Used by the rooms that serve requests, and knows none of them.
    ("http", "amount ids clock rejection metrics pricing catalog ledger upstream"),
    // Reads what the rooms below need; only gateway and commands hand its values down.
    ("config", "amount ids clock rejection pricing catalog ledger upstream http"),
    // The log; started by commands with the configured level.
    ("telemetry", "config"),
    // Business operations: neither HTTP nor the configuration.
    ("control", "amount ids clock rejection metrics pricing ledger catalog upstream services"),
    ("send", SERVING),
    ("webhook", SERVING),
    ("admin", SERVING),
    ("jobs", "amount ids clock rejection metrics pricing ledger catalog upstream services control"),
    ("gateway", EVERYTHING_BELOW),
    ("commands", EVERYTHING_BELOW),
    ("main", EVERYTHING_BELOW),
    ("lib", EVERYTHING_BELOW),
];

/// What a room that serves requests may import; none of them imports another.
const SERVING: &str = "amount ids clock rejection metrics pricing ledger catalog upstream services \
                       control http";

/// All rooms that come before in the table.
const EVERYTHING_BELOW: &str = "*";

/// The module path of a file under `src/`: `src/send/mod.rs` is `send`, `src/main.rs` is
/// `main`.
fn module_path(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.split('/').filter(|part| *part != "mod").collect()
}

/// Imports that do not go downwards, and rooms that are not in the table.
pub fn upward_imports(source: &Source) -> Vec<Finding> {
    let modules = module_path(&source.path);
    let room = modules[0];
    let Some(level) = self::level(room) else {
        let what = format!("`{room}` is a room without a line in ROOMS of tests/it/tidy/rooms.rs");
        return vec![Finding { line: 1, what }];
    };
    let allowed = ROOMS[level].1;
    let mut found = Vec::new();
    for (offset, target) in crate_paths(source, &modules) {
        let what = match self::level(target) {
            None => format!("`crate::{target}` is no room: name the room it lives in"),
            Some(below) if below < level && allowed == EVERYTHING_BELOW => continue,
            Some(_) if target == room || allowed.split(' ').any(|room| room == target) => continue,
            Some(_) if allowed.is_empty() => {
                format!("`{room}` may import no room, yet imports `{target}`")
            }
            Some(_) => format!("`{room}` may not import `{target}`, only: {allowed}"),
        };
        found.push(Finding { line: source.line(offset), what });
    }
    found
}

/// The index of a room in the table.
fn level(room: &str) -> Option<usize> {
    ROOMS.iter().position(|(name, _)| *name == room)
}

/// Each first name after `crate::` (or its spelling by `super::` or, in `main.rs`, `tollgate::`)
/// with its offset.
fn crate_paths<'a>(source: &'a Source, modules: &[&str]) -> Vec<(usize, &'a str)> {
    let code = source.code.as_str();
    let all = words(code);
    let inline = inline_modules(code, &all);
    let depth = |offset: usize| match modules {
        ["main" | "lib"] => inline.iter().filter(|range| range.contains(&offset)).count(),
        _ => modules.len() + inline.iter().filter(|range| range.contains(&offset)).count(),
    };
    let mut found = Vec::new();
    for (index, (offset, word)) in all.iter().enumerate() {
        let follows_path = code[..*offset].trim_end().ends_with("::");
        let after = match *word {
            "crate" => offset + word.len(),
            "tollgate" if modules == ["main"] && !follows_path => offset + word.len(),
            "super" if !follows_path => {
                let supers = all[index..].iter().take_while(|(_, next)| *next == "super").count();
                if supers < depth(*offset) {
                    continue;
                }
                all[index + supers - 1].0 + "super".len()
            }
            _ => continue,
        };
        found.extend(first_names(code, after).into_iter().map(|name| (*offset, name)));
    }
    found
}

/// The bodies of `mod name { ... }`: each makes `super` mean one module less.
fn inline_modules(code: &str, all: &[(usize, &str)]) -> Vec<std::ops::Range<usize>> {
    all.iter()
        .filter(|(_, word)| *word == "mod")
        .filter_map(|(offset, _)| block_after(code, *offset))
        .collect()
}

/// The names that follow `::` at `after`: one, or those of a group at its first level. Macros have
/// no room.
fn first_names(code: &str, after: usize) -> Vec<&str> {
    let Some(rest) = code[after..].trim_start().strip_prefix("::") else {
        return Vec::new();
    };
    let rest = rest.trim_start();
    if !rest.starts_with('{') {
        return name_at(rest).into_iter().collect();
    }
    let inside = &rest[1..block_after(rest, 0).map_or(rest.len(), |range| range.end - 1)];
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                names.extend(name_at(&inside[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.extend(name_at(&inside[start..]));
    names
}

/// The name a path begins with; `*` for a glob, which hides what is imported.
fn name_at(path: &str) -> Option<&str> {
    let path = path.trim_start();
    if path.starts_with('*') {
        return Some("*");
    }
    let (offset, name) = words(path).into_iter().next()?;
    (offset == 0 && name != "self" && !path[name.len()..].starts_with('!')).then_some(name)
}

/// Lines of the table that import a room that does not come before: without them there is no way
/// round.
pub fn cycles() -> Vec<String> {
    let mut problems = Vec::new();
    let listed = ROOMS.iter().enumerate().filter(|(_, line)| line.1 != EVERYTHING_BELOW);
    for (index, (room, allowed)) in listed {
        let comes_before = |target: &str| level(target).is_some_and(|below| below < index);
        for target in
            allowed.split(' ').filter(|target| !target.is_empty() && !comes_before(target))
        {
            problems.push(format!(
                "ROOMS: `{room}` imports `{target}`, which does not come before it in the table"
            ));
        }
    }
    problems
}

#[test]
fn every_spelling_of_an_import_is_seen() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        let source = Source::new(path, text);
        let seen: Vec<&str> =
            crate_paths(&source, &module_path(path)).into_iter().map(|(_, name)| name).collect();
        assert_eq!(seen, expected, "{path}: {text}");
    };
    check("src/send/price.rs", "use crate::admin::Keys;", &["admin"]);
    check(
        "src/send/price.rs",
        "use crate::{amount::{Amount, Sum}, ids,\n  admin as a};",
        &["amount", "ids", "admin"],
    );
    check(
        "src/send/price.rs",
        "fn f() -> crate::admin::Key { crate :: http::x() }",
        &["admin", "http"],
    );
    check("src/send/price.rs", "use super::super::admin; use super::message;", &["admin"]);
    check(
        "src/send/mod.rs",
        "use super::{admin, jobs}; mod t { use super::reply; use super::super::http; }",
        &["admin", "jobs", "http"],
    );
    check("src/amount.rs", "#[cfg(test)] mod tests { use super::*; }", &[]);
    check("src/amount.rs", "use crate::*; // crate::admin", &["*"]);
    check("src/main.rs", "use tollgate::commands; fn main() { my::tollgate::x(); }", &["commands"]);
    check(
        "src/lib.rs",
        "crate::ensure!(x); pub(crate) fn f() {} pub(in crate::send) fn g() {}",
        &["send"],
    );
}
