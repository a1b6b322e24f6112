//! Files that are no CSV with commas and points, named for what they are: spreadsheets, other
//! encodings, other separators, other decimal signs.

use sha2::{Digest, Sha256};

use super::problem::{ImportError, ImportProblem};

/// How a comment line begins by which a file confirms that its rates are meant as they are.
const CONFIRMATION: &str = "confirm: large_change";

/// How an Excel workbook (a ZIP archive), and how one of before 2007, begins.
const ZIP: &[u8] = b"PK\x03\x04";
const OLD_WORKBOOK: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0];

/// A file as text.
///
/// # Errors
/// What it is instead of UTF-8 text.
pub fn text_of(bytes: &[u8]) -> Result<&str, ImportError> {
    let fail = |problem| Err(ImportError { line: None, problem });
    if bytes.starts_with(ZIP) || bytes.starts_with(OLD_WORKBOOK) {
        return fail(ImportProblem::Workbook);
    }
    let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if marked || bytes.contains(&0) {
        return fail(ImportProblem::Utf16);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => fail(ImportProblem::NotUtf8),
    }
}

/// Whether a comment line of the file is the [`confirmation`] of the rates that it has now.
pub fn confirms(text: &str) -> bool {
    let wanted = confirmation(text);
    comments(text).any(|line| same_words(line, &wanted))
}

/// The comment line that confirms the large changes of a file:
/// `# confirm: large_change 0123456789abcdef`. The digits are of its content without comments, so
/// that another content needs another line.
pub fn confirmation(text: &str) -> String {
    let mut hash = Sha256::new();
    let content = without_mark(text).lines().filter(|line| !is_comment(line));
    // Neither line ends nor blank lines make another file of it.
    for line in content.map(str::trim_end).filter(|line| !line.is_empty()) {
        hash.update(line);
        hash.update("\n");
    }
    let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("# {CONFIRMATION} {digits}")
}

/// The same file with its [`confirmation`] in the place of any other.
pub fn confirmed(text: &str) -> String {
    let another = |line: &&str| {
        let words = line.trim_start().trim_start_matches('#').trim_start();
        let begin = words.get(..CONFIRMATION.len());
        is_comment(line) && begin.is_some_and(|begin| begin.eq_ignore_ascii_case(CONFIRMATION))
    };
    let kept = without_mark(text).split_inclusive('\n').filter(|line| !another(line));
    std::iter::once(format!("{}\n", confirmation(text)).as_str()).chain(kept).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn comments(text: &str) -> impl Iterator<Item = &str> {
    without_mark(text).lines().filter(|line| is_comment(line))
}

/// Whether two comments differ in nothing but case and blanks.
fn same_words(one: &str, other: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        let line = line.trim_start().trim_start_matches('#');
        line.split_whitespace().map(str::to_ascii_lowercase).collect()
    };
    words(one) == words(other)
}

/// What keeps a text without a header from having one: another separator, and with it maybe another
/// decimal sign. `is_header`: whether a line cut at that separator is one.
pub(super) fn foreign(text: &str, is_header: fn(&str, char) -> bool) -> Vec<ImportError> {
    for separator in [';', '\t'] {
        let Some(at) = text.lines().position(|line| is_header(line, separator)) else { continue };
        let line = |index: usize| u64::try_from(index).ok().map(|index| index.saturating_add(1));
        let problem = ImportProblem::WrongSeparator(separator);
        let mut found = vec![ImportError { line: line(at), problem }];
        let decimal = |row: &str| row.split(separator).any(has_comma_decimal);
        let row = text.lines().enumerate().skip(at).find(|(_, row)| decimal(row));
        if let Some((index, _)) = row {
            found.push(ImportError { line: line(index), problem: ImportProblem::CommaDecimals });
        }
        return found;
    }
    Vec::new()
}

/// Whether a row that has more cells than the header has them because its decimals are written with
/// commas: beyond the columns, every cell is digits.
pub(super) fn splits_decimals(record: &csv::StringRecord, columns: usize) -> bool {
    let digits = |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let beyond = record.iter().skip(columns).filter(|cell| !cell.is_empty());
    record.iter().filter(|cell| digits(cell)).count() >= 4
        && beyond.clone().count() > 0
        && beyond.clone().all(digits)
}

/// `0,0118`: digits, a comma, digits.
pub(super) fn has_comma_decimal(cell: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    cell.trim_matches(['"', ' '])
        .split_once(',')
        .is_some_and(|(whole, decimals)| digits(whole) && digits(decimals))
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
