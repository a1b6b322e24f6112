//! Rate card versions of the operator's own: kept as `<id>-<date>.csv` in a directory and merged
//! into the compiled-in cards.
//!
//! A file that cannot be used is left out and named; it keeps no other from being used. Nor does it
//! change a price: what was last accepted under its name stays in use, over restarts too, because a
//! copy of each accepted file is kept in the directory `.accepted` beside them.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::civil::Date;

use crate::pricing::PriceBook;
use crate::pricing::import::{ImportError, confirmation, confirmed, confirms, text_of};

/// Characters of a date such as `2026-10-01`.
const DATE_LENGTH: usize = 10;

/// Bytes of the largest rate card file; a larger one is a mistake.
const MAX_FILE: u64 = 1 << 20;

/// The directory of the accepted content of each file.
const ACCEPTED: &str = ".accepted";

/// What a directory came to.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The compiled-in cards with every version that can be used.
    pub book: PriceBook,
    /// The files that were left out.
    pub skipped: Vec<SkippedFile>,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// Its name.
    pub name: String,
    /// Everything that is wrong with it.
    pub reasons: Vec<String>,
    /// Whether what was accepted under its name before stays in use.
    pub kept: bool,
}

/// Returns the compiled-in cards, with the versions of `directory` merged into them if it is given.
/// A directory that does not exist has none. `in_use`: the book that prices sends now, if one does.
///
/// # Errors
/// The directory cannot be read.
pub fn load(directory: Option<&Path>, in_use: Option<&PriceBook>) -> Result<Loaded, String> {
    let mut loaded = Loaded { book: PriceBook::builtin(), skipped: Vec::new() };
    let Some(directory) = directory else { return Ok(loaded) };
    let mut names = match names(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(loaded),
        Err(error) => return Err(format!("{}: {error}", directory.display())),
    };
    names.sort_unstable();
    let mut seen = BTreeSet::new();
    for name in names {
        let version = parse_name(&name);
        let twice = version.is_some_and(|(id, date)| !seen.insert((id.to_owned(), date)));
        let result = if twice {
            Err(vec!["another file is the same version; only the first is used".to_owned()])
        } else {
            load_file(directory, &name, &loaded.book, in_use)
        };
        match result {
            Ok(with_it) => loaded.book = with_it,
            Err(reasons) => {
                let before = version
                    .filter(|_| !twice)
                    .and_then(|(id, date)| accepted(directory, id, date, &loaded.book, in_use));
                let kept = before.is_some();
                loaded.book = before.unwrap_or(loaded.book);
                loaded.skipped.push(SkippedFile { name, reasons, kept });
            }
        }
    }
    forget_removed(directory, &seen);
    Ok(loaded)
}

/// A version whose file was removed is not in use any more, so it must not come back in place of a
/// later file of its name.
fn forget_removed(directory: &Path, seen: &BTreeSet<(String, Date)>) {
    let copies = directory.join(ACCEPTED);
    for copy in names(&copies).unwrap_or_default() {
        let there = |(id, date): (&str, Date)| seen.contains(&(id.to_owned(), date));
        if !parse_name(&copy).is_some_and(there)
            && let Err(error) = std::fs::remove_file(copies.join(&copy))
        {
            tracing::debug!(file = copy, %error, "the copy of a removed rate card stays");
        }
    }
}

/// Returns the names of the files that are, or look like, versions.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        let version = ending.eq_ignore_ascii_case("csv") || parse_stem(stem).is_some();
        if version && !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

fn load_file(
    directory: &Path,
    name: &str,
    book: &PriceBook,
    in_use: Option<&PriceBook>,
) -> Result<PriceBook, Vec<String>> {
    let (id, date) = parse_name(name)
        .ok_or_else(|| vec!["a version is called <card>-<year>-<month>-<day>.csv".to_owned()])?;
    let bytes = read(&directory.join(name)).map_err(|error| vec![error.to_string()])?;
    let csv = text_of(&bytes).map_err(|error| vec![error.to_string()])?;
    let with_it = book.with_version(id, date, csv).map_err(texts)?;
    let copy = directory.join(ACCEPTED).join(file_name(id, date));
    let known = read(&copy).is_ok_and(|copy| copy == bytes);
    if !known && !confirms(csv) {
        let changes = with_it.large_changes(id, date, in_use.unwrap_or(book));
        if !changes.is_empty() {
            let mut reasons = texts(changes);
            let line = confirmation(csv);
            reasons.push(format!("if that is meant, add the line {line:?} to the file"));
            return Err(reasons);
        }
    }
    if !known && let Err(error) = write(&directory.join(ACCEPTED), &file_name(id, date), &bytes) {
        tracing::debug!(file = name, %error, "no copy of an accepted rate card can be kept");
    }
    Ok(with_it)
}

/// The content of a regular file, or of one that a link leads to. Nothing else is opened: a pipe
/// may never begin, a device never end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    // The length is not believed: the file may grow, and some have none.
    std::fs::File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// The book with the version as it was accepted before, if it was.
fn accepted(
    directory: &Path,
    id: &str,
    date: Date,
    book: &PriceBook,
    in_use: Option<&PriceBook>,
) -> Option<PriceBook> {
    if let Some(kept) = in_use.and_then(|in_use| book.with_version_of(in_use, id, date)) {
        return Some(kept);
    }
    let copy = read(&directory.join(ACCEPTED).join(file_name(id, date))).ok()?;
    book.with_version(id, date, text_of(&copy).ok()?).ok()
}

fn texts(errors: Vec<ImportError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Returns the card and the date of a file's name; `None` if the name has another form.
fn parse_name(name: &str) -> Option<(&str, Date)> {
    let (stem, ending) = name.rsplit_once('.')?;
    parse_stem(stem).filter(|_| ending.eq_ignore_ascii_case("csv"))
}

fn parse_stem(stem: &str) -> Option<(&str, Date)> {
    let (id, date) = stem.split_at_checked(stem.len().checked_sub(DATE_LENGTH)?)?;
    Some((id.strip_suffix('-').filter(|id| !id.is_empty())?, date.parse().ok()?))
}

fn file_name(id: &str, date: Date) -> String {
    format!("{id}-{date}.csv")
}

/// Writes a version completely or not at all; one whose large changes were confirmed carries that
/// in a comment line.
///
/// # Errors
/// The file could not be written.
pub fn store(
    directory: &Path,
    card_id: &str,
    date: Date,
    csv: &str,
    confirm: bool,
) -> io::Result<()> {
    let text = if confirm && !confirms(csv) { confirmed(csv) } else { csv.to_owned() };
    let name = file_name(card_id, date);
    // The version may be there under another spelling of its ending, which would be found as well.
    let same = |other: &String| *other != name && parse_name(other) == Some((card_id, date));
    for other in names(directory).unwrap_or_default().iter().filter(|other| same(other)) {
        std::fs::remove_file(directory.join(other))?;
    }
    write(directory, &name, text.as_bytes())
}

/// To a temporary file, which is synced to disk and then renamed.
fn write(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".version-").tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(directory.join(name)).map_err(|error| error.error)?;
    // The new name is on disk only after its directory has been synced.
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
