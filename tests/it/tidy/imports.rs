//! Which file imports from which: two files that import each other are one file in two places.
//!
//! A path is followed to the file that defines the name: through modules, and through a module's
//! `pub use` of another file's items. A `mod` line and a `pub use` are not imports by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::source::{Source, block_after, words};

/// Crate roots and the directories of their modules.
const ROOTS: &[(&str, &str)] = &[
    ("src/lib.rs", "src"),
    ("tests/it/main.rs", "tests/it"),
    ("benches/gateway/main.rs", "benches/gateway"),
    ("loadtest/src/lib.rs", "loadtest/src"),
    ("loadtest/src/main.rs", "loadtest/src"),
    ("loadtest/tests/it/main.rs", "loadtest/tests/it"),
    ("loadtest/simulator/src/lib.rs", "loadtest/simulator/src"),
    ("loadtest/simulator/tests/it/main.rs", "loadtest/simulator/tests/it"),
];

/// A module's path from the crate root; empty for the root itself.
type Module = Vec<String>;

/// A path as written, resolved to start at the crate root.
struct Path {
    segments: Vec<String>,
    /// Of a `pub use`: offers a name and uses nothing itself.
    exported: bool,
    line: usize,
}

/// One crate: its modules and the names they pass on.
struct Crate<'a> {
    files: BTreeMap<Module, &'a Source>,
    paths: BTreeMap<Module, Vec<Path>>,
}

/// Pairs of files that import each other, one line each.
pub fn mutual_imports(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for (root, directory) in ROOTS {
        let Some(root) = sources.iter().find(|source| source.path == *root) else { continue };
        let read = Crate::read(sources, root, directory);
        let imports = read.imports();
        for (&(from, to), line) in &imports {
            if from < to && imports.contains_key(&(to, from)) {
                problems.push(format!("{from}:{line}: imports {to}, which imports it back"));
            }
        }
    }
    problems
}

impl<'a> Crate<'a> {
    fn read(sources: &'a [Source], root: &'a Source, directory: &str) -> Crate<'a> {
        let mut files = BTreeMap::from([(Vec::new(), root)]);
        for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
            let Some(inner) = source.path.strip_prefix(&format!("{directory}/")) else { continue };
            if inner == "lib.rs" || inner == "main.rs" {
                continue;
            }
            let inner = inner.trim_end_matches(".rs").trim_end_matches("/mod");
            files.insert(inner.split('/').map(str::to_owned).collect(), source);
        }
        let mut read = Crate { files, paths: BTreeMap::new() };
        for (module, source) in &read.files {
            let paths = read.paths_of(module, source);
            read.paths.insert(module.clone(), paths);
        }
        read
    }

    /// Every pair of importing and imported file, with the line of the first import.
    fn imports(&self) -> BTreeMap<(&str, &str), usize> {
        let mut found = BTreeMap::new();
        for (module, paths) in &self.paths {
            let from = self.files[module].path.as_str();
            for path in paths.iter().filter(|path| !path.exported) {
                let Some(target) = self.definition(&path.segments, &mut BTreeSet::new()) else {
                    continue;
                };
                let to = self.files[&target].path.as_str();
                if to != from {
                    found.entry((from, to)).or_insert(path.line);
                }
            }
        }
        found
    }

    /// The module whose file defines what a path names; `None` if the path only names a module.
    fn definition(&self, path: &[String], seen: &mut BTreeSet<Vec<String>>) -> Option<Module> {
        let known = (0..=path.len()).rev().find(|end| self.files.contains_key(&path[..*end]))?;
        let module = path[..known].to_vec();
        let name = path.get(known)?;
        if !seen.insert(path[..=known].to_vec()) {
            return Some(module);
        }
        let exported = self.paths.get(&module).into_iter().flatten().filter(|path| path.exported);
        for export in exported {
            let last = export.segments.last();
            let through = match last.map(String::as_str) {
                Some("*") => {
                    let mut inside = export.segments[..export.segments.len() - 1].to_vec();
                    inside.push(name.clone());
                    inside
                }
                Some(last) if last == name => export.segments.clone(),
                _ => continue,
            };
            if let Some(found) = self.definition(&through, seen)
                && (last.is_some_and(|last| last != "*") || self.defines(&found, name))
            {
                return Some(found);
            }
        }
        Some(module)
    }

    /// Whether a file has an item of this name.
    fn defines(&self, module: &Module, name: &str) -> bool {
        let all = words(&self.files[module].code);
        all.windows(2).any(|pair| {
            pair[1].1 == name
                && matches!(
                    pair[0].1,
                    "struct" | "enum" | "fn" | "trait" | "type" | "const" | "static" | "union"
                )
        })
    }

    /// The paths of one file that begin at the crate, at this module, at one of its children, or at
    /// a module that a `use` brought in.
    fn paths_of(&self, module: &Module, source: &Source) -> Vec<Path> {
        let code = source.code.as_str();
        let inline = inline_modules(code);
        // An inline module has no file; it only makes `super` mean one module less.
        let module_at = |offset: usize| {
            let depth = inline.iter().filter(|range| range.contains(&offset)).count();
            [module.as_slice(), &vec![String::new(); depth]].concat()
        };
        let (mut found, mut modules, mut plain) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut at = 0;
        for (offset, word) in words(code) {
            if offset < at {
                continue;
            }
            let line = source.line(offset);
            if word == "use" {
                let end = code[offset..].find(';').map_or(code.len(), |end| offset + end);
                let before = code[..offset].trim_end();
                let exported = before.ends_with("pub") || before.ends_with(')');
                for path in use_tree(&code[offset + "use".len()..end]) {
                    let Some(segments) = self.resolve(&module_at(offset), &path) else { continue };
                    if self.files.contains_key(&segments)
                        && let Some(name) = segments.last()
                    {
                        modules.insert(name.clone(), segments.clone());
                    }
                    found.push(Path { segments, exported, line });
                }
                at = end;
            } else if code[offset + word.len()..].starts_with("::")
                && !code[..offset].ends_with("::")
            {
                let path = plain_path(&code[offset..]);
                at = offset + path.len();
                plain.push((offset, line, path.split("::").map(str::to_owned).collect::<Vec<_>>()));
            }
        }
        for (offset, line, path) in plain {
            let brought = modules.get(&path[0]).map(|base| [base.as_slice(), &path[1..]].concat());
            if let Some(segments) = self.resolve(&module_at(offset), &path).or(brought) {
                found.push(Path { segments, exported: false, line });
            }
        }
        found
    }

    /// A path as written in `module`, made to begin at the crate root; `None` for other crates and
    /// for names brought in by a `use`.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?.as_str();
        let (mut base, rest) = match first {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => {
                let supers = path.iter().take_while(|part| *part == "super").count();
                let up = module.len().checked_sub(supers)?;
                (module[..up].to_vec(), &path[supers..])
            }
            child => {
                let mut inside = module.clone();
                inside.push(child.to_owned());
                if !self.files.contains_key(&inside) {
                    return None;
                }
                (module.clone(), path)
            }
        };
        base.extend_from_slice(rest);
        Some(base)
    }
}

/// The bodies of `mod name { ... }`.
fn inline_modules(code: &str) -> Vec<Range<usize>> {
    let all = words(code);
    let modules = all.iter().filter(|(_, word)| *word == "mod");
    modules.filter_map(|(offset, _)| block_after(code, *offset)).collect()
}

/// `a::b::C` at the beginning of a code text.
fn plain_path(code: &str) -> &str {
    let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let bytes = code.as_bytes();
    let mut end = 0;
    loop {
        while end < bytes.len() && is_word(bytes[end]) {
            end += 1;
        }
        let next = bytes.get(end + 2).copied().unwrap_or_default();
        if code[end..].starts_with("::") && is_word(next) {
            end += 2;
        } else {
            return &code[..end];
        }
    }
}

/// The paths of a use tree: `a::{b, c::{self, D as E}}` is `a::b`, `a::c` and `a::c::D`.
fn use_tree(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let (head, group) = match tree.find('{') {
        Some(open) => (&tree[..open], Some(&tree[open + 1..tree.rfind('}').unwrap_or(tree.len())])),
        None => (tree, None),
    };
    let head = head.split(" as ").next().unwrap_or_default();
    let head: Vec<String> = head
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let Some(group) = group else { return vec![head] };
    let mut found = Vec::new();
    for part in split_group(group) {
        for inner in use_tree(part) {
            let mut path = head.clone();
            path.extend(inner.into_iter().filter(|name| name != "self"));
            found.push(path);
        }
    }
    found
}

/// The members of a group at its first level.
fn split_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[test]
fn files_that_import_each_other_are_found() {
    let tree = |files: &[(&str, &str)]| -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    };
    let mutual = |files: &[(&str, &str)]| mutual_imports(&tree(files)).len();
    let root = ("src/lib.rs", "pub mod send; pub mod ids;");
    // Children use what the parent only passes on, and the parent uses the children.
    let parent = ("src/send/mod.rs", "mod a; mod b; pub use a::Thing; fn f() { b::go() }");
    let apart = [
        root,
        parent,
        ("src/send/a.rs", "pub struct Thing;"),
        ("src/send/b.rs", "use super::Thing;"),
    ];
    assert_eq!(mutual(&apart), 0);
    // The parent defines what a child uses, while it uses the child.
    let defining = ("src/send/mod.rs", "mod b; pub struct Thing; fn f() { b::go() }");
    assert_eq!(mutual(&[root, defining, ("src/send/b.rs", "use super::Thing;")]), 1);
    // Two files of one room, one of them by a path in its code.
    let room = ("src/send/mod.rs", "mod a; mod b;");
    let a = ("src/send/a.rs", "use crate::send::b::{self, Other};");
    assert_eq!(mutual(&[root, room, a, ("src/send/b.rs", "fn f() { super::a::Thing::new() }")]), 1);
    // A module brought in by a `use`, and then a path that begins with it.
    let a = ("src/send/a.rs", "use super::b; fn f() { b::go() }");
    assert_eq!(mutual(&[root, room, a, ("src/send/b.rs", "use super::a; fn g() { a::f() }")]), 1);
    // A name passed on by a glob, and a name that only looks like a child.
    let glob = ("src/send/mod.rs", "mod a; mod b; pub use a::*; fn f() { other::go() }");
    let thing = ("src/send/a.rs", "pub struct Thing; use super::b::Other;");
    assert_eq!(mutual(&[root, glob, thing, ("src/send/b.rs", "use super::Thing;")]), 1);
    assert_eq!(mutual(&[root, glob, thing, ("src/send/b.rs", "mod t { use super::Thing; }")]), 0);
}

#[test]
fn use_trees_are_taken_apart() {
    let paths = |tree: &str| -> Vec<String> {
        use_tree(tree).into_iter().map(|path| path.join("::")).collect()
    };
    assert_eq!(paths(" crate::a::B "), ["crate::a::B"]);
    assert_eq!(paths("a::{b, c::{self, D as E}, *}"), ["a::b", "a::c", "a::c::D", "a::*"]);
    assert_eq!(plain_path("super::a::Thing::new()"), "super::a::Thing::new");
    assert_eq!(plain_path("Vec::<u8>::new()"), "Vec");
}
