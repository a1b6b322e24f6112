//! Rate card versions of the operator's own: kept as `<id>-<date>.csv` in a directory and merged
//! into the compiled-in cards.

use std::io::{self, Write};
use std::path::Path;

use jiff::civil::Date;

use crate::pricing::PriceBook;

/// Characters of a date such as `2026-10-01`.
const DATE_LENGTH: usize = 10;

/// Bytes of the largest rate card file; a larger one is a mistake.
const MAX_FILE: u64 = 1 << 20;

/// Returns the compiled-in cards, with the versions of `directory` merged into them if it is given.
///
/// # Errors
/// Those of [`load_dir`].
pub fn load(directory: Option<&Path>) -> Result<PriceBook, Vec<String>> {
    match directory {
        Some(directory) => load_dir(directory, PriceBook::builtin()),
        None => Ok(PriceBook::builtin()),
    }
}

/// Returns `book` with every version of the directory merged into it; a directory that does not
/// exist has none.
///
/// # Errors
/// Everything that is wrong with any of the files, each with its file's name.
pub fn load_dir(directory: &Path, book: PriceBook) -> Result<PriceBook, Vec<String>> {
    let mut names = match names(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(book),
        Err(error) => return Err(vec![format!("{}: {error}", directory.display())]),
    };
    names.sort_unstable();
    let (mut book, mut mistakes) = (book, Vec::new());
    for name in names {
        match load_file(directory, &name, &book) {
            Ok(with_it) => book = with_it,
            Err(errors) => {
                mistakes.extend(errors.into_iter().map(|error| format!("{name}: {error}")))
            }
        }
    }
    if mistakes.is_empty() { Ok(book) } else { Err(mistakes) }
}

/// Returns the names of the CSV files of a directory.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".csv") && !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

fn load_file(directory: &Path, name: &str, book: &PriceBook) -> Result<PriceBook, Vec<String>> {
    let (id, date) = parse_name(name)
        .ok_or_else(|| vec!["a version is called <card>-<year>-<month>-<day>.csv".to_owned()])?;
    let path = directory.join(name);
    let one = |error: io::Error| vec![error.to_string()];
    if std::fs::metadata(&path).map_err(one)?.len() > MAX_FILE {
        return Err(vec![format!("it is larger than {MAX_FILE} bytes")]);
    }
    let csv = std::fs::read_to_string(&path).map_err(one)?;
    book.with_version(id, date, &csv)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Returns the card and the date of a file's name; `None` if the name has another form.
fn parse_name(name: &str) -> Option<(&str, Date)> {
    let stem = name.strip_suffix(".csv")?;
    let (id, date) = stem.split_at_checked(stem.len().checked_sub(DATE_LENGTH)?)?;
    Some((id.strip_suffix('-').filter(|id| !id.is_empty())?, date.parse().ok()?))
}

/// Writes a version completely or not at all: to a temporary file, which is synced to disk and then
/// renamed.
///
/// # Errors
/// The file could not be written.
pub fn store(directory: &Path, card_id: &str, date: Date, csv: &str) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".version-").tempfile_in(directory)?;
    file.write_all(csv.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(directory.join(format!("{card_id}-{date}.csv"))).map_err(|error| error.error)?;
    // The new name is on disk only after its directory has been synced.
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{load_dir, parse_name, store};
    use crate::pricing::PriceBook;
    use jiff::civil::Date;

    const DATE: Date = Date::constant(2027, 1, 1);

    fn card() -> &'static str {
        include_str!("../../config/rates/meta-usd-2026-10-01.csv")
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let directory = tempfile::tempdir().expect("a directory");
        store(directory.path(), "meta-usd", DATE, card()).expect("stored");
        store(directory.path(), "own-card", DATE, card()).expect("stored");
        let book = load_dir(directory.path(), PriceBook::builtin()).expect("a book");
        for id in ["meta-usd", "own-card"] {
            assert!(book.card(id).is_some_and(|card| card.version(DATE).is_some()), "{id}");
        }
    }

    #[test]
    fn every_mistake_is_reported_with_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in [
            ("meta-usd-2027-01-01.csv", "market\n"),
            ("meta-usd.csv", "x"),
            ("message-2027-01-01.csv", card()),
        ] {
            std::fs::write(directory.path().join(name), text).expect("written");
        }
        std::fs::write(directory.path().join("README.md"), "not a version").expect("written");
        let mistakes =
            load_dir(directory.path(), PriceBook::builtin()).expect_err("three mistakes");
        for name in ["meta-usd-2027-01-01.csv: ", "meta-usd.csv: ", "message-2027-01-01.csv: "] {
            assert!(
                mistakes.iter().any(|mistake| mistake.starts_with(name)),
                "{name}: {mistakes:?}"
            );
        }
        assert!(!mistakes.iter().any(|mistake| mistake.starts_with("README")), "{mistakes:?}");
        assert!(load_dir(&directory.path().join("none"), PriceBook::builtin()).is_ok());
    }

    #[test]
    fn names_are_card_and_date() {
        assert_eq!(parse_name("meta-usd-2027-01-01.csv"), Some(("meta-usd", DATE)));
        for name in [
            "2027-01-01.csv",
            "-2027-01-01.csv",
            "a2027-01-01.csv",
            "a-2027-13-01.csv",
            "a-2027-01-01",
            "é.csv",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
