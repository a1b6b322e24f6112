//! The tree as the rules see it, and the rules about whole files: none is dead, the top level stays
//! small.

use std::fs;
use std::path::Path;

use super::source::{Source, words};

/// The directories of the repository's top level; dot-directories are free.
const TOP_LEVEL: &[&str] = &["benches", "config", "docs", "loadtest", "src", "tests"];

/// The repository: its text files, and the names of its top-level directories.
pub struct Tree {
    pub sources: Vec<Source>,
    pub directories: Vec<String>,
}

/// Reads every text file but what `.gitignore` names and what is in dot-directories other than
/// `.ci`.
pub fn tree() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignore = fs::read_to_string(root.join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignore.lines().filter_map(|line| line.strip_suffix('/')).collect();
    let mut tree = Tree { sources: Vec::new(), directories: Vec::new() };
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path =
                if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            if entry.file_type().unwrap().is_dir() {
                if ignored.contains(&name.as_str()) || (name.starts_with('.') && name != ".ci") {
                    continue;
                }
                if directory.is_empty() {
                    tree.directories.push(name);
                }
                open.push(path);
            } else if name != "Cargo.lock"
                && name != ".git"
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                tree.sources.push(Source::new(&path, &text));
            }
        }
    }
    tree.sources.sort_by(|a, b| a.path.cmp(&b.path));
    tree
}

/// Top-level directories beyond those of the map.
pub fn unexpected_directories(directories: &[String]) -> Vec<String> {
    directories
        .iter()
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .map(|name| {
            format!("{name}/: the top level holds {} and dot-files only", TOP_LEVEL.join(", "))
        })
        .collect()
}

/// Rust files that no `mod` reaches: the compiler does not see them, so nothing keeps them right.
pub fn dead_modules(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in
        sources.iter().filter(|source| source.path.ends_with(".rs") && !is_target(&source.path))
    {
        let inner = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (directory, module) = inner.rsplit_once('/').unwrap_or(("", inner));
        let parents =
            ["/lib.rs", "/main.rs", "/mod.rs", ".rs"].map(|end| format!("{directory}{end}"));
        let declared =
            sources.iter().filter(|parent| parents.contains(&parent.path)).any(|parent| {
                let all = words(&parent.code);
                all.windows(2).any(|pair| pair[0].1 == "mod" && pair[1].1 == module)
            });
        if !declared {
            problems.push(format!(
                "{}:1: none of {} says `mod {module};`",
                source.path,
                parents.join(", ")
            ));
        }
    }
    problems
}

/// Modules that are a file beside the directory of their children, not `mod.rs` in it.
pub fn split_modules(sources: &[Source]) -> Vec<String> {
    let rust = || sources.iter().map(|source| &source.path).filter(|path| path.ends_with(".rs"));
    rust()
        .filter(|path| !path.ends_with("/mod.rs"))
        .map(|path| path.trim_end_matches(".rs"))
        .filter(|module| rust().any(|path| path.starts_with(&format!("{module}/"))))
        .map(|module| format!("{module}.rs:1: a module with children is {module}/mod.rs"))
        .collect()
}

/// Whether Cargo itself compiles the file. A second file right under `tests/` is not one: there is
/// one binary.
fn is_target(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    matches!(name, "lib.rs" | "main.rs" | "build.rs")
        || ["benches", "bin"].contains(&directory.rsplit('/').next().unwrap_or_default())
        || directory == "loadtest/tests"
        || directory == "loadtest/simulator/tests"
        || directory.starts_with("tests/fuzz")
}

/// Lua files that no Rust file beside them names.
pub fn dead_scripts(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for script in sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && source.path.ends_with(".lua"))
    {
        let name = script.path.rsplit('/').next().unwrap_or_default();
        if !sources
            .iter()
            .any(|source| source.path.starts_with("src/") && source.literals.contains(name))
        {
            problems.push(format!("{}:1: no Rust file includes it", script.path));
        }
    }
    problems
}

#[test]
fn dead_files_are_found() {
    let tree = |files: &[(&str, &str)]| -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    };
    let alive = [
        ("src/lib.rs", "pub mod send; mod ids;"),
        ("src/ids.rs", ""),
        ("src/send/mod.rs", "pub(crate) mod reply;"),
        ("src/send/reply.rs", "mod table; const S: &str = include_str!(\"a/x.lua\");"),
        ("src/send/reply/table.rs", ""),
        ("src/send/a/x.lua", ""),
    ];
    assert_eq!(dead_modules(&tree(&alive)), [] as [&str; 0]);
    assert_eq!(dead_scripts(&tree(&alive)), [] as [&str; 0]);
    let dead = [
        ("src/lib.rs", "// mod ids;"),
        ("src/ids.rs", ""),
        ("src/x.lua", ""),
        ("tests/second.rs", ""),
    ];
    assert_eq!(dead_modules(&tree(&dead)).len(), 2);
    assert_eq!(dead_scripts(&tree(&dead)).len(), 1);
    assert_eq!(split_modules(&tree(&alive)).len(), 1);
    assert_eq!(split_modules(&tree(&[("src/send/mod.rs", ""), ("src/send/a.rs", "")])).len(), 0);
    assert_eq!(
        unexpected_directories(&["src".to_owned(), ".ci".to_owned(), "tools".to_owned()]).len(),
        1
    );
}
