//! The house rules, enforced on the source tree: which room may name what, sizes, openings, dead
//! files. Rules are data in `tidy/rules.rs` and `tidy/rooms.rs`; each is shown a text that breaks
//! it.

mod examples;
mod files;
mod imports;
mod lengths;
mod prose;
mod rooms;
mod rules;
mod source;

use files::{Tree, tree};
use rules::RULES;
use source::{Finding, Source};

/// All findings of all rules on one file.
fn findings(source: &Source) -> Vec<(&'static rules::Rule, Finding)> {
    RULES
        .iter()
        .filter(|rule| (rule.over)(&source.path))
        .flat_map(|rule| (rule.find)(source).into_iter().map(move |found| (rule, found)))
        .collect()
}

fn report(problems: &[String]) {
    assert!(
        problems.is_empty(),
        "{} breaks of the house rules:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn the_tree_keeps_the_house_rules() {
    let Tree { sources, .. } = tree();
    assert!(sources.iter().any(|s| s.path == "src/lib.rs"), "the walk lost the sources");
    let mut problems = Vec::new();
    for source in &sources {
        for (rule, found) in findings(source) {
            problems.push(format!(
                "{}:{}: {} [{}: {}]",
                source.path, found.line, found.what, rule.name, rule.why
            ));
        }
    }
    report(&problems);
}

#[test]
fn no_file_is_dead() {
    let Tree { sources, .. } = tree();
    let mut problems = files::dead_modules(&sources);
    problems.extend(files::dead_scripts(&sources));
    problems.extend(files::split_modules(&sources));
    report(&problems);
}

#[test]
fn no_two_files_import_each_other() {
    let Tree { sources, .. } = tree();
    report(&imports::mutual_imports(&sources));
}

#[test]
fn the_top_level_stays_small() {
    let Tree { directories, .. } = tree();
    report(&files::unexpected_directories(&directories));
}

#[test]
fn every_rule_finds_what_breaks_it() {
    let sizes = ["file length", "function length", "width"];
    for rule in RULES.iter().filter(|rule| !sizes.contains(&rule.name)) {
        assert!(
            examples::EXAMPLES.iter().any(|e| e.rule == rule.name),
            "no example breaks `{}`",
            rule.name
        );
    }
    for example in examples::EXAMPLES {
        let [bad_path, good_path] = example.paths;
        let hits = |path: &str, text: &str| {
            let source = Source::new(path, &text.replace('§', ""));
            findings(&source).into_iter().filter(|(rule, _)| rule.name == example.rule).count()
        };
        assert_eq!(
            hits(bad_path, example.bad),
            1,
            "`{}` on a text that breaks it: {}",
            example.rule,
            example.bad
        );
        assert_eq!(
            hits(good_path, example.good),
            0,
            "`{}` on a text that keeps it: {}",
            example.rule,
            example.good
        );
    }
}

#[test]
fn sizes_are_counted_to_the_line() {
    let count = |rule: &str, path: &str, text: &str| {
        findings(&Source::new(path, text)).iter().filter(|(r, _)| r.name == rule).count()
    };
    let (rust, lua) = ("src/http/listener.rs", "src/ledger/redis/lua/caps.lua");
    let function =
        |lines: usize| format!("//! Opens.\nfn long(a: [u8; 2]) {{{}}}\n", "\n".repeat(lines - 1));
    assert_eq!(count("function length", rust, &function(70)), 0);
    assert_eq!(count("function length", rust, &function(71)), 1);
    let function =
        |lines: usize| format!("-- Opens.\nlocal function f(a){}end\n", "\n".repeat(lines - 1));
    assert_eq!(count("function length", lua, &function(70)), 0);
    assert_eq!(count("function length", lua, &function(71)), 1);
    let file = |lines: usize| format!("//! Opens.\n{}", "// a line\n".repeat(lines - 1));
    assert_eq!(count("file length", rust, &file(500)), 0);
    assert_eq!(count("file length", rust, &file(501)), 1);
    let line = |columns: usize| format!("//! Opens.\n//{}\n", "é".repeat(columns - 2));
    assert_eq!(count("width", rust, &line(100)), 0);
    assert_eq!(count("width", rust, &line(101)), 1);
}

#[test]
fn rooms_depend_on_no_room_that_depends_on_them() {
    report(&rooms::cycles());
}
