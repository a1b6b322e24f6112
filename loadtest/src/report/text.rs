//! A report for a terminal.

use std::fmt::Write;

use super::content::Report;

pub fn write(report: &Report) -> String {
    let mut text = format!("{}: {}\n", report.name, report.about);
    let ledger = report.ledger.map_or_else(String::new, |ledger| format!("{ledger} ledger, "));
    let sends = &report.sends;
    let _ = writeln!(
        text,
        "{}, {ledger}{} connections, {:.1} s\n\n\
         answered {}, succeeded {}, unsent {}\nstatuses {}\nrejections {}\nerrors {}",
        report.date,
        report.connections,
        report.seconds,
        sends["answered"],
        sends["succeeded"],
        sends["unsent"],
        sends["statuses"],
        sends["rejections"],
        sends["errors"],
    );
    text.push_str("\nlatency from the intended start:\n");
    for percentile in &report.percentiles {
        let _ = writeln!(text, "{:>10.4} %  {:>10.2} ms", percentile.percent, percentile.ms);
    }
    text.push_str("\n     s  intended  answered  rejected  errors    p50 ms    p99 ms    max ms\n");
    for point in &report.timeline {
        let _ = writeln!(
            text,
            "{:>6.1}  {:>8}  {:>8}  {:>8}  {:>6}  {:>8.2}  {:>8.2}  {:>8.2}",
            point.at_s,
            point.intended,
            point.answered,
            point.rejected,
            point.errors,
            point.p50_ms,
            point.p99_ms,
            point.max_ms,
        );
    }
    for event in &report.events {
        let _ = writeln!(text, "{:>6.1}  {}", event.at_s, event.what);
    }
    if report.audited > 0 {
        let accounts = report.audited;
        let _ = writeln!(text, "\nbooks of {accounts} accounts compared with upstream's");
    }
    for check in &report.checks {
        let _ = writeln!(text, "{check}");
    }
    text.push('\n');
    match report.failures.is_empty() {
        true => text.push_str("good"),
        false => _ = write!(text, "FAILED: {}", report.failures.join("; ")),
    }
    text.push('\n');
    text
}
