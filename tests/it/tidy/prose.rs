//! How files open, and the words that doc comments avoid.

use super::source::{Finding, Source, find_word};

/// Words that doc comments do without, and what to write instead. In pieces, because the rule
/// reads this file too.
const BANNED: &[(&str, &str)] = &[
    (concat!("ans", "wers"), "returns"),
    (concat!("whe", "re"), "if, in which, or from which"),
    (concat!("sa", "ys"), "names, states or reports"),
    (concat!("tel", "ls"), "reports or distinguishes"),
    (concat!("sta", "nds"), "is"),
];

pub fn opens_with(source: &Source, opening: &str) -> Vec<Finding> {
    let rest = source
        .text
        .strip_prefix(opening)
        .map(|rest| rest.lines().next().unwrap_or_default().trim());
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return Vec::new();
    }
    vec![Finding {
        line: 1,
        what: format!("does not begin with `{opening}` and a sentence saying what the file is for"),
    }]
}

/// The first-level headings outside code blocks; there must be one.
pub fn titles(source: &Source) -> Vec<Finding> {
    let (mut in_code, mut lines) = (false, Vec::new());
    for (index, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && (line.starts_with("# ") || line.contains("<h1")) {
            lines.push(index + 1);
        }
    }
    if lines.len() == 1 {
        return Vec::new();
    }
    let what = format!("{} first-level headings, not one", lines.len());
    vec![Finding { line: lines.get(1).copied().unwrap_or(1), what }]
}

/// Banned words in `///` and `//!` comments, code in back-ticks left out.
pub fn banned_words(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        if !line.starts_with("///") && !line.starts_with("//!") {
            continue;
        }
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        let prose = prose.join(" ").to_lowercase();
        for (word, instead) in BANNED.iter().filter(|(word, _)| !find_word(&prose, word).is_empty())
        {
            let what = format!("`{word}` in a doc comment; write: {instead}");
            found.push(Finding { line: index + 1, what });
        }
    }
    found
}
