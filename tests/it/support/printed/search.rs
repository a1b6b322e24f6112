//! A set of secrets and the search of a line for all of them at once: texts by their first bytes,
//! phone numbers by their last digits however they are written.

use std::collections::{HashMap, HashSet};

/// Shorter texts say nothing.
const SHORTEST: usize = 5;

/// Of a longer text the beginning is looked for: half of it would be too much as well.
const LONGEST: usize = 16;

/// The digits by which a number is known: without its calling code it is found as well.
const DIGITS: usize = 10;

/// The fewest digits of a number that is looked for.
const FEWEST: usize = 9;

/// What no line has, whoever made it.
const FORMS: [(&str, usize); 5] = [
    ("tg_live_", 8),
    ("tg_test_", 8),
    ("Bearer ", 8),
    ("access_token=", 1),
    // The recipient's number is in it, encoded.
    ("wamid.", 8),
];

/// What the line of a made operator key begins with; it is shown on purpose, once.
const SHOWN_ONCE: &str = "    tg_live_";

/// Texts and numbers to look for.
pub struct Secrets {
    texts: HashMap<[u8; SHORTEST], Vec<Box<str>>>,
    /// Which hashes of first bytes there are: few places of a line are looked up further.
    begins: Vec<bool>,
    numbers: HashSet<Vec<u8>>,
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets { texts: HashMap::new(), begins: vec![false; 1 << 16], numbers: HashSet::new() }
    }
}

impl Secrets {
    pub fn knows_text(&self, text: &str) -> bool {
        parts(text).all(|part| {
            self.texts.get(first(part)).is_some_and(|known| known.iter().any(|one| **one == *part))
        })
    }

    /// A text whose parts no line may have; a character that a format may escape ends a part.
    pub fn learn_text(&mut self, text: &str) {
        for part in parts(text) {
            let known = self.texts.entry(*first(part)).or_default();
            if !known.iter().any(|one| **one == *part) {
                known.push(part.into());
            }
            self.begins[hash(part.as_bytes())] = true;
        }
    }

    pub fn knows_number(&self, number: &str) -> bool {
        last_digits(number).is_none_or(|digits| self.numbers.contains(&digits))
    }

    /// A number, or another id of a person that has as many digits.
    pub fn learn_number(&mut self, number: &str) {
        self.numbers.extend(last_digits(number));
    }

    /// The first secret in a line, named for whoever reads the test's failure.
    pub fn find(&self, line: &str) -> Option<String> {
        self.find_text(line).or_else(|| self.find_number(line)).or_else(|| find_form(line))
    }

    fn find_text(&self, line: &str) -> Option<String> {
        let bytes = line.as_bytes();
        for at in 0..bytes.len().saturating_sub(SHORTEST - 1) {
            if !self.begins[hash(&bytes[at..])] {
                continue;
            }
            let known = self.texts.get(&bytes[at..at + SHORTEST]).into_iter().flatten();
            for text in known {
                if bytes[at..].starts_with(text.as_bytes()) {
                    return Some(format!("`{text}`"));
                }
            }
        }
        None
    }

    /// A number of somebody known, or any that is written with its plus sign. The digits behind a
    /// decimal point are no number of anybody, nor are those within hexadecimal digits.
    fn find_number(&self, line: &str) -> Option<String> {
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let (begin, mut end, mut run) = (at, at, Vec::new());
            while end < bytes.len() {
                let next = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
                match bytes[end] {
                    digit @ b'0'..=b'9' => run.push(digit),
                    b' ' | b'-' | b'(' | b')' if next => {}
                    b' ' if bytes.get(end + 1) == Some(&b'(') => {}
                    b')' if bytes.get(end + 1) == Some(&b' ') => {}
                    _ => break,
                }
                end += 1;
            }
            at = end;
            if !is_part_of_more(bytes, begin, end) && self.is_number(&run, &bytes[..begin]) {
                return Some(format!("the number {}", String::from_utf8_lossy(&run)));
            }
        }
        None
    }

    fn is_number(&self, run: &[u8], before: &[u8]) -> bool {
        let known = |length: usize| run.windows(length).any(|part| self.numbers.contains(part));
        (before.ends_with(b"+") && run.len() >= FEWEST) || known(FEWEST) || known(DIGITS)
    }
}

/// Whether digits from `begin` to `end` are those of a fraction or of a hexadecimal id.
fn is_part_of_more(bytes: &[u8], begin: usize, end: usize) -> bool {
    let letter = |byte: &u8| matches!(byte, b'a'..=b'f' | b'A'..=b'F');
    let ends_so = |last: &[u8]| last.last().is_some_and(letter);
    let (before, after) = (&bytes[..begin], &bytes[end..]);
    let fraction = before.strip_suffix(b".").and_then(<[u8]>::last).is_some_and(u8::is_ascii_digit);
    let hex_before = ends_so(before) || before.strip_suffix(b"-").is_some_and(ends_so);
    let hex_after = after.strip_prefix(b"-").unwrap_or(after).first().is_some_and(letter);
    fraction || hex_before || hex_after
}

fn find_form(line: &str) -> Option<String> {
    FORMS.iter().find_map(|(begin, least)| {
        let (_, after) = line.split_once(begin)?;
        let visible = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let shown = line.starts_with(SHOWN_ONCE) && !line.trim().contains(' ');
        (visible >= *least && !shown).then(|| format!("what follows `{begin}`"))
    })
}

/// The parts of a text that every format prints as they are, each as far as it is looked for.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(' '..='~').contains(&c) || c == '"' || c == '\\')
        .map(|part| &part.trim()[..part.trim().len().min(LONGEST)])
        .filter(|part| part.len() >= SHORTEST && !could_be_an_id(part))
}

/// Whether a request id or a measurement could have it in it by chance.
fn could_be_an_id(part: &str) -> bool {
    part.len() < LONGEST && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn first(part: &str) -> &[u8; SHORTEST] {
    part.as_bytes().first_chunk().unwrap()
}

/// Of the first bytes, in 16 bits.
fn hash(bytes: &[u8]) -> usize {
    let at = |n: usize| usize::from(bytes[n]);
    (at(0) ^ (at(1) << 8) ^ (at(2) << 3) ^ (at(3) << 6) ^ (at(4) << 9)) & 0xffff
}

fn last_digits(number: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let length = if digits.len() == FEWEST { FEWEST } else { DIGITS };
    digits.len().checked_sub(length).map(|begin| digits[begin..].to_vec())
}

#[test]
fn texts_are_found_wherever_they_are() {
    let mut secrets = Secrets::default();
    for text in [
        "hunter2-hunter2",
        "Hello",
        "a \"quoted\" offer",
        "Grüße aus Köln",
        "abc",
        "a-long-secret-of-many-letters",
    ] {
        assert!(!secrets.knows_text(text) || text == "abc", "{text}");
        secrets.learn_text(text);
        assert!(secrets.knows_text(text), "{text}");
    }
    for line in [
        "hunter2-hunter2",
        "INFO tollgate: key=\"hunter2-hunter2\"",
        "Hello",
        "he said:Hello",
        r#"{"message":"an error near a \"quoted\" offer"}"#,
        "e aus K",
        "a key that begins with a-long-secret-of",
        "say \"e aus K\\u{f6}ln\"",
    ] {
        assert!(secrets.find(line).is_some(), "{line}");
    }
    for line in ["", "Hell", "hunter2-hunter", "hello", "abc", "quote"] {
        assert_eq!(secrets.find(line), None, "{line}");
    }
}

#[test]
fn numbers_are_found_however_they_are_written() {
    let mut secrets = Secrets::default();
    for number in ["+91 98123-45678", "1 (650) 555-0144", "+68312345", "US.13400000000000000001"] {
        secrets.learn_number(number);
        assert!(secrets.knows_number(number), "{number}");
    }
    secrets.learn_number("123456789");
    for line in [
        "to=919812345678",
        "to=+919812345678,",
        "9812345678",
        "+91 98123 45678",
        "(91) 98123-45678 was refused",
        "x=100919812345678001",
        "tel:+1-650-555-0144",
        "a user US.13400000000000000001",
        "0123456789",
        "+44 7700 900123",
        "9812345678 accepted",
    ] {
        assert!(secrets.find(line).is_some(), "{line}");
    }
    for line in [
        "to=9198...",
        "98123",
        "981234567",
        "9812345 and 678",
        "1.9812.345678",
        "68312345",
        "1+2 = 3",
        "0.9812345678",
        "sum 12.9812345678",
        "1+19",
    ] {
        assert_eq!(secrets.find(line), None, "{line}");
    }
}

#[test]
fn keys_are_found_by_their_form() {
    let secrets = Secrets::default();
    for line in [
        "a key tg_live_0123456789abcdef",
        "    tg_live_0123456789abcdef and more",
        "authorization: Bearer abcdefgh",
        "/v24.0/1?access_token=x",
        "id=wamid.HBgLMTY1MDU1NTAxNDQ",
    ] {
        assert!(secrets.find(line).is_some(), "{line}");
    }
    for line in ["    tg_live_0123456789abcdef", "keys begin with tg_live_", "Bearer is missing"] {
        assert_eq!(secrets.find(line), None, "{line}");
    }
}
