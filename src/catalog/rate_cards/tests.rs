//! Unit tests of the directory of versions: what is used, what is left out and why, and what stays
//! in use then.

use std::path::Path;

use jiff::civil::Date;

use super::{Loaded, load, parse_name, store};
use crate::pricing::PriceBook;

const DATE: Date = Date::constant(2027, 1, 1);
const NAME: &str = "meta-usd-2027-01-01.csv";

fn card() -> &'static str {
    include_str!("../../../config/rates/meta-usd-2026-10-01.csv")
}

/// The card with another price of a marketing message to India.
fn priced(rate: &str) -> String {
    let india = |line: &str| match line.strip_prefix("India,USD,0.0118,") {
        Some(rest) => format!("India,USD,{rate},{rest}\n"),
        None => format!("{line}\n"),
    };
    card().lines().map(india).collect()
}

fn put(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(directory.join(name), content).expect("written");
}

fn loaded(directory: &Path, in_use: Option<&PriceBook>) -> Loaded {
    load(Some(directory), in_use).expect("a directory that can be read")
}

/// The version's rate of a marketing message to India.
fn india(book: &PriceBook, id: &str) -> Option<String> {
    let version = book.card(id)?.version(DATE)?;
    let market = book.markets().market_named("India")?;
    Some(version.rate(market, crate::pricing::Category::Marketing)?.to_string())
}

/// The one reason for which the one file is left out.
fn reason(directory: &Path) -> String {
    let loaded = loaded(directory, None);
    assert_eq!(loaded.skipped.len(), 1, "{:?}", loaded.skipped);
    loaded.skipped[0].reasons.join("\n")
}

#[test]
fn what_is_stored_is_loaded() {
    let directory = tempfile::tempdir().expect("a directory");
    for id in ["meta-usd", "own-card"] {
        store(directory.path(), id, DATE, card(), false).expect("stored");
    }
    let found = loaded(directory.path(), None);
    assert_eq!(found.skipped, []);
    for id in ["meta-usd", "own-card"] {
        assert_eq!(india(&found.book, id).as_deref(), Some("0.0118"), "{id}");
    }
    assert!(load(Some(&directory.path().join("none")), None).is_ok());
}

#[test]
fn the_case_of_the_ending_does_not_matter() {
    let directory = tempfile::tempdir().expect("a directory");
    put(directory.path(), "meta-usd-2027-01-01.CSV", priced("0.02"));
    put(directory.path(), "own-2027-01-01.Csv", priced("0.03"));
    let found = loaded(directory.path(), None);
    assert_eq!(found.skipped, []);
    assert_eq!(india(&found.book, "meta-usd").as_deref(), Some("0.02"));
    assert_eq!(india(&found.book, "own").as_deref(), Some("0.03"));
    // Two spellings of one version: which is meant cannot be known, so the first stays.
    put(directory.path(), NAME, priced("0.04"));
    let found = loaded(directory.path(), None);
    assert_eq!(india(&found.book, "meta-usd").as_deref(), Some("0.02"));
    assert!(found.skipped[0].reasons[0].contains("same version"), "{:?}", found.skipped);
    store(directory.path(), "meta-usd", DATE, &priced("0.05"), false).expect("stored");
    let found = loaded(directory.path(), None);
    assert_eq!((found.skipped.len(), india(&found.book, "meta-usd").as_deref()), (0, Some("0.05")));
}

#[test]
fn a_file_that_is_left_out_is_named_and_blocks_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    put(directory.path(), NAME, "market\n");
    put(directory.path(), "meta-usd.csv", "x");
    put(directory.path(), "message-2027-01-01.csv", card());
    put(directory.path(), "meta-usd-2027-02-01.xlsx", "PK\x03\x04");
    put(directory.path(), "own-2027-01-01.csv", card());
    put(directory.path(), "README.md", "not a version");
    std::fs::create_dir(directory.path().join("a-2027-01-01.csv")).expect("a directory");
    let found = loaded(directory.path(), None);
    let names: Vec<&str> = found.skipped.iter().map(|file| file.name.as_str()).collect();
    let expected = [
        "a-2027-01-01.csv",
        "message-2027-01-01.csv",
        NAME,
        "meta-usd-2027-02-01.xlsx",
        "meta-usd.csv",
    ];
    assert_eq!(names, expected);
    assert!(found.skipped.iter().all(|file| !file.reasons.is_empty() && !file.kept));
    assert_eq!(india(&found.book, "own").as_deref(), Some("0.0118"));
    assert_eq!(india(&found.book, "meta-usd"), None);
}

#[test]
fn only_regular_files_of_a_bounded_length_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let there = |name: &str| directory.path().join(name);
    let pipe = std::process::Command::new("mkfifo").arg(there("pipe-2027-01-01.csv")).status();
    assert!(pipe.expect("mkfifo").success());
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, there(name)).expect("a link");
    link(Path::new("/dev/zero"), "zero-2027-01-01.csv");
    link(Path::new("/proc/self/mem"), "memory-2027-01-01.csv");
    put(directory.path(), "large-2027-01-01.csv", vec![b'#'; 1 << 21]);
    put(directory.path(), "elsewhere", card());
    link(&there("elsewhere"), "own-2027-01-01.csv");
    let found = loaded(directory.path(), None);
    let names: Vec<&str> = found.skipped.iter().map(|file| file.name.as_str()).collect();
    let left_out = ["large", "memory", "pipe", "zero"].map(|id| format!("{id}-2027-01-01.csv"));
    assert_eq!(names, left_out);
    let why = |at: usize| found.skipped[at].reasons.join("");
    assert_eq!(why(0), "it is larger than 1048576 bytes");
    assert_eq!([why(2), why(3)], ["it is no regular file"; 2]);
    assert_eq!(india(&found.book, "own").as_deref(), Some("0.0118"), "a link to a file is one");
}

#[test]
fn a_version_in_use_keeps_its_price_when_its_file_is_spoiled() {
    let directory = tempfile::tempdir().expect("a directory");
    put(directory.path(), NAME, priced("0.02"));
    let before = loaded(directory.path(), None).book;
    for spoiled in ["market\n".to_owned(), priced("0,03"), priced("0.9")] {
        put(directory.path(), NAME, &spoiled);
        // While the gateway runs, and after a restart.
        for in_use in [Some(&before), None] {
            let found = loaded(directory.path(), in_use);
            assert_eq!(india(&found.book, "meta-usd").as_deref(), Some("0.02"), "{spoiled}");
            assert!(found.skipped[0].kept, "{:?}", found.skipped);
        }
    }
    // A file that is gone is meant to be.
    std::fs::remove_file(directory.path().join(NAME)).expect("removed");
    assert_eq!(india(&loaded(directory.path(), None).book, "meta-usd"), None);
    put(directory.path(), NAME, "market\n");
    assert_eq!(india(&loaded(directory.path(), None).book, "meta-usd"), None);
}

#[test]
fn a_large_change_is_left_out_until_it_is_confirmed() {
    let directory = tempfile::tempdir().expect("a directory");
    put(directory.path(), NAME, priced("0.1181"));
    let why = reason(directory.path());
    assert!(why.contains("marketing rate of India moves from 0.0118 to 0.1181"), "{why}");
    // The line as it is written out, whatever the case and the line ends.
    let line = |why: &str| why.split('"').nth(1).expect("a line").to_uppercase();
    assert_eq!(line(&why).len(), "# confirm: large_change 0123456789abcdef".len(), "{why}");
    let word = line(&why);
    put(directory.path(), NAME, priced("0.118"));
    assert_eq!(loaded(directory.path(), None).skipped, []);
    // It is good for the rates that it was written for, and for no others.
    for unconfirmed in ["# confirm: large_change", word.as_str()] {
        put(directory.path(), NAME, format!("{unconfirmed}\n{}", priced("0.5")));
        assert!(reason(directory.path()).contains("0.0118 to 0.50"), "{unconfirmed}");
    }
    let word = line(&reason(directory.path()));
    put(
        directory.path(),
        NAME,
        format!("{word}\r\n# new\n{}", priced("0.5").replace('\n', "\r\n")),
    );
    assert_eq!(loaded(directory.path(), None).skipped, []);
    // Also against what is in use under the same date, in both directions.
    let before = loaded(directory.path(), None).book;
    put(directory.path(), NAME, priced("0.04"));
    let found = loaded(directory.path(), Some(&before));
    let why = found.skipped[0].reasons.join("\n");
    assert!(why.contains("marketing rate of India moves from 0.50 to 0.04"), "{why}");
    assert_eq!(india(&found.book, "meta-usd").as_deref(), Some("0.50"));
}

#[test]
fn rates_that_are_all_zero_need_a_word() {
    let directory = tempfile::tempdir().expect("a directory");
    let zero = |line: &str| match line.split_once(",USD,") {
        Some((market, _)) => format!("{market},USD,0,0,0,0,0\n"),
        None => format!("{line}\n"),
    };
    let text: String = card().lines().map(zero).collect();
    put(directory.path(), "own-2027-01-01.csv", &text);
    assert!(reason(directory.path()).contains("every rate is zero"));
    let stale = format!("# confirm: large_change 0123456789abcdef\n{text}");
    store(directory.path(), "own", DATE, &stale, true).expect("stored");
    let found = loaded(directory.path(), None);
    assert_eq!((found.skipped.len(), india(&found.book, "own").as_deref()), (0, Some("0.00")));
    let kept = std::fs::read_to_string(directory.path().join("own-2027-01-01.csv")).expect("kept");
    assert_eq!(kept.matches("confirm:").count(), 1, "one line takes the other's place");
}

#[test]
fn what_is_no_csv_with_commas_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let utf16 = |text: &str| -> Vec<u8> {
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    for (content, word) in [
        (b"PK\x03\x04\x14\0\x06\0".to_vec(), "an Excel workbook"),
        (utf16(card()), "UTF-16"),
        (utf16(card())[2..].to_vec(), "UTF-16"),
        (b"market,currency,marketing\nC\xf4te,USD,1\n".to_vec(), "not UTF-8"),
        (card().replace(',', ";").into_bytes(), "separated by ';'"),
        (card().replace(',', "\t").into_bytes(), "separated by tabs"),
        (card().replace(',', ";").replace("0.", "0,").into_bytes(), "decimals"),
        (card().replace("0.", "0,").into_bytes(), "decimals"),
        (priced("\"0,0118\"").into_bytes(), "decimals"),
    ] {
        put(directory.path(), NAME, &content);
        let why = reason(directory.path());
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[test]
fn names_are_card_and_date() {
    assert_eq!(parse_name(NAME), Some(("meta-usd", DATE)));
    assert_eq!(parse_name("meta-usd-2027-01-01.cSv"), Some(("meta-usd", DATE)));
    for name in [
        "2027-01-01.csv",
        "-2027-01-01.csv",
        "a2027-01-01.csv",
        "a-2027-13-01.csv",
        "a-2027-01-01",
        "a-2027-01-01.xlsx",
        "é.csv",
    ] {
        assert_eq!(parse_name(name), None, "{name}");
    }
}
