//! How long files and functions are, and how wide lines.

use super::source::{Finding, Source, block_after, words};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

pub fn file_length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![Finding { line: FILE_LINES + 1, what: format!("{lines} lines, at most {FILE_LINES}") }]
}

/// Functions of Rust, and those of Lua that begin at the left margin.
pub fn function_length(source: &Source) -> Vec<Finding> {
    let functions =
        if source.path.ends_with(".lua") { lua_functions(source) } else { rust_functions(source) };
    functions
        .into_iter()
        .filter(|(_, _, lines)| *lines > FUNCTION_LINES)
        .map(|(name, line, lines)| Finding {
            line,
            what: format!("`{name}` has {lines} lines, at most {FUNCTION_LINES}"),
        })
        .collect()
}

/// Name, first line and number of lines of each function.
fn rust_functions(source: &Source) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for pair in words(&source.code).windows(2) {
        let [(start, "fn"), (name_at, name)] = pair else {
            continue;
        };
        // `fn(...)` is a type, not a function.
        if !matches!(source.code[start + 2..*name_at].trim(), "" | "r#") {
            continue;
        }
        let Some(body) = block_after(&source.code, *name_at) else {
            continue;
        };
        let (first, last) = (source.line(*start), source.line(body.end - 1));
        found.push(((*name).to_owned(), first, last - first + 1));
    }
    found
}

fn lua_functions(source: &Source) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (index, line) in source.text.lines().enumerate() {
        if line.starts_with("local function ") || line.starts_with("function ") {
            let name = line.trim_start_matches("local ").trim_start_matches("function ");
            let name = name.split('(').next().unwrap_or_default();
            open = Some((name.to_owned(), index + 1));
        }
        if (line == "end" || line.ends_with(" end"))
            && !line.starts_with(' ')
            && let Some((name, first)) = open.take()
        {
            found.push((name, first, index + 2 - first));
        }
    }
    found
}

/// Lines of more columns than rustfmt's `max_width`; a character is a column.
pub fn width(source: &Source) -> Vec<Finding> {
    let columns = source.text.lines().map(|line| line.chars().count()).enumerate();
    columns
        .filter(|(_, columns)| *columns > COLUMNS)
        .map(|(index, columns)| Finding {
            line: index + 1,
            what: format!("{columns} columns, at most {COLUMNS}"),
        })
        .collect()
}
