//! One file of the tree, and its Rust text taken apart: code without comments and literals,
//! literals alone.

use std::ops::Range;

/// One break of a rule.
pub struct Finding {
    /// From 1.
    pub line: usize,
    /// What was found, and what to write instead if that is not obvious.
    pub what: String,
}

/// A file as the rules see it. `code` and `literals` have the length and the lines of `text`.
pub struct Source {
    /// Relative to the repository, with slashes.
    pub path: String,
    /// The file unchanged.
    pub text: String,
    /// Comments and the insides of literals blanked; the whole text if the file is not Rust.
    pub code: String,
    /// All but string literals blanked; empty if the file is not Rust.
    pub literals: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let (code, literals) =
            if path.ends_with(".rs") { split(text) } else { (text.to_owned(), String::new()) };
        Self { path: path.to_owned(), text: text.to_owned(), code, literals }
    }

    /// The line, from 1, of a byte offset.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Offsets of `needle` in `text` as whole words: not as a part of a longer identifier.
pub fn find_word(text: &str, needle: &str) -> Vec<usize> {
    let (bytes, pattern) = (text.as_bytes(), needle.as_bytes());
    let touches = |inside: u8, outside: Option<&u8>| {
        is_word(inside) && outside.is_some_and(|byte| is_word(*byte))
    };
    text.match_indices(needle)
        .map(|(start, _)| start)
        .filter(|start| {
            let before = start.checked_sub(1).and_then(|index| bytes.get(index));
            !touches(pattern[0], before)
                && !touches(pattern[pattern.len() - 1], bytes.get(start + pattern.len()))
        })
        .collect()
}

/// The identifiers and keywords of a code text with their offsets.
pub fn words(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        if at > start {
            found.push((start, &code[start..at]));
        }
        at += 1;
    }
    found
}

/// The block that opens at or after `from` and before any `;` outside brackets: from its `{` to
/// after its `}`.
pub fn block_after(code: &str, from: usize) -> Option<Range<usize>> {
    let bytes = code.as_bytes();
    let mut depth = 0;
    let mut open = None;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'{' if depth == 0 && open.is_none() => {
                open = Some(at);
                depth = 1;
            }
            b';' if depth == 0 => return None,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0
                    && let Some(start) = open
                {
                    return Some(start..at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// What a stretch of Rust text is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Text,
    Character,
}

/// Rust text as code alone and string literals alone, each of the same length and lines. Quotes
/// stay in both.
fn split(text: &str) -> (String, String) {
    let (mut code, mut literals) =
        (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let mut at = 0;
    while at < text.len() {
        let (kind, length) = next_stretch(&text[at..]);
        let stretch = &text[at..at + length];
        match kind {
            Kind::Code => code.push_str(stretch),
            Kind::Text => code.push_str(&hollow(stretch)),
            Kind::Comment | Kind::Character => blank_into(&mut code, stretch),
        }
        if kind == Kind::Text {
            literals.push_str(stretch)
        } else {
            blank_into(&mut literals, stretch)
        }
        at += length;
    }
    (code, literals)
}

/// The kind and the length of what `rest` begins with; at least one character.
fn next_stretch(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(bytes));
    }
    match bytes[0] {
        b'"' => (Kind::Text, quoted(bytes, b'"')),
        b'\'' => character(rest).map_or((Kind::Code, 1), |length| (Kind::Character, length)),
        first if is_word(first) => {
            let word = bytes.iter().take_while(|byte| is_word(**byte)).count();
            match raw_string(rest, word) {
                Some(length) => (Kind::Text, length),
                None => (Kind::Code, word),
            }
        }
        _ => (Kind::Code, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

/// The length of a block comment, with those nested in it.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The length of a literal that ends at the next quote without a backslash before it.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len().min(at + 1)
}

/// The length of a character literal; none for a lifetime or a loop label.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest[1..].chars();
    let first = inside.next()?;
    if first == '\\' {
        return Some(quoted(rest.as_bytes(), b'\''));
    }
    (inside.next()? == '\'').then(|| 2 + first.len_utf8())
}

/// The length of a raw string that begins with a prefix of `word` bytes.
fn raw_string(rest: &str, word: usize) -> Option<usize> {
    let (prefix, after) = rest.split_at(word);
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    if !matches!(prefix, "r" | "br" | "cr") || after.as_bytes().get(hashes) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = word + hashes + 1;
    Some(rest[inside..].find(&end).map_or(rest.len(), |length| inside + length + end.len()))
}

fn blank_into(out: &mut String, stretch: &str) {
    out.extend(stretch.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

/// A string literal with nothing between its quotes.
fn hollow(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    let inside = literal.find('"').map_or(0, |index| index + 1);
    let end = literal.rfind('"').unwrap_or(inside).max(inside);
    out.push_str(&literal[..inside]);
    blank_into(&mut out, &literal[inside..end]);
    out.push_str(&literal[end..]);
    out
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let text = r####"fn a<'a>(x: &'a str) { /* { /* { */ */ let q = '"'; let b = b'\''; // "no
        let s = "in \" {"; let r = r#"raw " {"#; let u = "é{"; let r#fn = 'é'; }"####;
    let source = Source::new("src/a.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.literals.len(), text.len());
    assert_eq!(source.code.matches('{').count(), 1, "{}", source.code);
    let kept: Vec<&str> = source.literals.split_whitespace().collect();
    assert_eq!(kept.join(" "), r####""in \" {" r#"raw " {"# "é{""####);
    assert_eq!(block_after(&source.code, 0), Some(text.find('{').unwrap()..text.len()));
}

#[test]
fn words_are_whole() {
    assert_eq!(find_word("my_redis::x redis::y", "redis::"), [12]);
    assert_eq!(find_word("unimplemented f32x f32", "f32"), [19]);
    assert_eq!(
        words("fn a(b: &C)").into_iter().map(|(_, word)| word).collect::<Vec<_>>(),
        ["fn", "a", "b", "C"]
    );
}
