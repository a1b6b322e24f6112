//! What a run found, as text, as JSON and as one page of HTML.

mod chart;
mod content;
mod html;
mod text;

use std::path::Path;

use anyhow::Context;

pub use content::{Happening, Report};

impl Report {
    /// Returns it for a terminal.
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// Returns it as one page without any other file.
    pub fn html(&self) -> String {
        html::write(self)
    }

    /// Writes all three forms into a directory, which is made if it is missing.
    pub fn write(&self, directory: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let json = serde_json::to_string_pretty(self)?;
        for (ending, text) in [("txt", self.text()), ("json", json), ("html", self.html())] {
            let path = directory.join(format!("{}.{ending}", self.name));
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::audit::Check;
    use crate::process::Directory;
    use crate::tally::Tally;
    use crate::timeline::Point;

    fn report() -> Report {
        let mut total = Tally::new().unwrap();
        for millis in 1..=1_000 {
            total.answer(200, None, Duration::from_millis(millis));
        }
        total.answer(402, Some("insufficient_balance"), Duration::from_millis(1));
        let point = |at_s| Point { at_s, intended: 500, answered: 501, ..Point::default() };
        let mut report = Report::new(&total, Duration::from_secs(2), vec![point(1.0), point(2.0)]);
        report.about = "More & <more>.".to_owned();
        report.events = vec![Happening { at_s: 1.0, what: "Redis is killed".to_owned() }];
        report.audited = 1;
        report.checks = vec![Check {
            what: "held = holds in doubt",
            left: "1".to_owned(),
            right: "0".to_owned(),
            agrees: false,
        }];
        report
    }

    #[test]
    fn text_has_counts_latencies_events_books_and_the_verdict() {
        let mut report = report();
        let text = report.text();
        for expected in
            ["answered 1001", "50.0000 %", "Redis is killed", "DISAGREES held", "\ngood\n"]
        {
            assert!(text.contains(expected), "no {expected:?} in {text}");
        }
        report.failures.push("no send succeeded".to_owned());
        assert!(report.text().ends_with("FAILED: no send succeeded\n"));
    }

    #[test]
    fn html_is_one_page_that_loads_nothing() {
        let page = report().html();
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<polyline").count(), 8);
        assert!(page.contains("More &amp; &lt;more&gt;.") && page.contains("DISAGREES"));
        for loaded in ["http:", "https:", "src=", "href=", "url(", "<script"] {
            assert!(!page.contains(loaded), "{loaded} in {page}");
        }
    }

    #[test]
    fn all_three_forms_are_written() {
        let home = Directory::make("report").unwrap();
        report().write(&home.path().join("new")).unwrap();
        let read =
            |name: &str| std::fs::read_to_string(home.path().join("new").join(name)).unwrap();
        assert!(read("run.txt").starts_with("run: More"));
        assert!(read("run.html").starts_with("<!doctype html>"));
        let json: Value = serde_json::from_str(&read("run.json")).unwrap();
        assert_eq!(json["sends"]["succeeded"], 1_000);
        assert_eq!(json["timeline"].as_array().unwrap().len(), 2);
        assert_eq!(json["checks"][0]["agrees"], false);
        let median = json["percentiles"][1]["ms"].as_f64().unwrap();
        assert!((495.0..=505.0).contains(&median), "{median}");
    }
}
