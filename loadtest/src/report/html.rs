//! A report as one page of HTML with plots, which needs no other file and no network.

use std::fmt::Write;

use super::chart::{Chart, Line, escape};
use super::content::Report;
use crate::timeline::Point;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;\
padding:0 1em;color:#222;background:#fff}figure{margin:1.5em 0}\
svg{width:100%;height:auto;font-size:11px}svg text{fill:#555}\
polyline{fill:none;stroke-width:1.8}.grid{stroke:#e4e4e4}\
line.mark{stroke:#b45309;stroke-dasharray:4 3}text.mark{fill:#b45309}\
table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #e4e4e4;\
text-align:right}td:first-child,th:first-child{text-align:left}\
.good{color:#15803d}.bad{color:#b91c1c}";

const BLUE: &str = "#2563eb";
const GREY: &str = "#9ca3af";
const RED: &str = "#dc2626";
const GREEN: &str = "#16a34a";

pub fn write(report: &Report) -> String {
    let (name, about) = (escape(&report.name), escape(&report.about));
    let verdict = match report.failures.is_empty() {
        true => "<p class=\"good\"><b>Good.</b></p>".to_owned(),
        false => {
            format!("<p class=\"bad\"><b>Failed:</b> {}</p>", escape(&report.failures.join("; ")))
        }
    };
    let ledger = report.ledger.map_or_else(String::new, |ledger| format!("{ledger} ledger, "));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n\
         <p>{about}</p>\n{verdict}\n<p>{}, {ledger}{} connections, {:.1} s.</p>\n",
        escape(&report.date),
        report.connections,
        report.seconds,
    );
    push_sends(&mut page, report);
    page.push_str(&rates(report).figure());
    page.push_str(&latencies(report).figure());
    page.push_str(&distribution(report).figure());
    push_books(&mut page, report);
    page.push_str("</body></html>\n");
    page
}

fn push_sends(page: &mut String, report: &Report) {
    page.push_str("<table><tr><th>sends</th><th></th></tr>\n");
    let mut row = |what: &str, count: &str| {
        let _ = writeln!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(what), escape(count));
    };
    for what in ["answered", "succeeded", "unsent"] {
        row(what, &report.sends[what].to_string());
    }
    for (group, what) in [("statuses", "status"), ("rejections", "rejected as"), ("errors", "")] {
        for (name, count) in report.sends[group].as_object().into_iter().flatten() {
            row(&format!("{what} {name}"), &count.to_string());
        }
    }
    page.push_str("</table>\n");
}

fn line<'a>(
    points: &[Point],
    name: &'a str,
    colour: &'a str,
    value: impl Fn(&Point) -> f64,
) -> Line<'a> {
    let points = points.iter().map(|point| (point.at_s, value(point))).collect();
    Line { name, colour, points }
}

fn rates(report: &Report) -> Chart<'_> {
    // The last stretch is no whole second, and of a drained backlog at most.
    let whole = match report.timeline.split_last() {
        Some((_, whole)) if !whole.is_empty() => whole,
        _ => &report.timeline,
    };
    Chart {
        title: "Sends",
        x_title: "seconds",
        y_title: "a second",
        lines: vec![
            line(whole, "intended", GREY, |point| point.intended as f64),
            line(whole, "succeeded", GREEN, |point| point.succeeded as f64),
            line(whole, "rejected", BLUE, |point| point.rejected as f64),
            line(whole, "errors", RED, |point| point.errors as f64),
        ],
        ticks: seconds(report),
        marks: marks(report),
    }
}

fn latencies(report: &Report) -> Chart<'_> {
    Chart {
        title: "Latency",
        x_title: "seconds",
        y_title: "ms from the intended start",
        lines: vec![
            line(&report.timeline, "most", GREY, |point| point.max_ms),
            line(&report.timeline, "99 %", RED, |point| point.p99_ms),
            line(&report.timeline, "50 %", BLUE, |point| point.p50_ms),
        ],
        ticks: seconds(report),
        marks: marks(report),
    }
}

/// Latency over the share of sends that had at most that, a digit of it per stretch of the axis.
fn distribution(report: &Report) -> Chart<'_> {
    let nines = |percent: f64| -(1.0 - percent / 100.0).log10();
    let finite = report.percentiles.iter().filter(|percentile| percentile.percent < 100.0);
    let points = finite.map(|percentile| (nines(percentile.percent), percentile.ms)).collect();
    let ticks = ["0", "90", "99", "99.9", "99.99", "99.999", "99.9999"];
    Chart {
        title: "Distribution of latency",
        x_title: "of all replies",
        y_title: "ms at most",
        lines: vec![Line { name: "latency", colour: BLUE, points }],
        ticks: (0..).zip(ticks).map(|(at, tick)| (f64::from(at), format!("{tick} %"))).collect(),
        marks: Vec::new(),
    }
}

fn seconds(report: &Report) -> Vec<(f64, String)> {
    let step = (report.seconds / 10.0).ceil().max(1.0);
    (0..=10).map(|tick| f64::from(tick) * step).map(|at| (at, at.to_string())).collect()
}

fn marks(report: &Report) -> Vec<(f64, &str)> {
    report.events.iter().map(|event| (event.at_s, event.what.as_str())).collect()
}

fn push_books(page: &mut String, report: &Report) {
    if report.audited == 0 {
        return;
    }
    let _ = writeln!(
        page,
        "<h2>Books</h2>\n<p>Those of {} accounts were compared with what upstream accepted.</p>",
        report.audited
    );
    if report.checks.is_empty() {
        page.push_str("<p class=\"good\">All agree.</p>\n");
        return;
    }
    page.push_str("<table>\n");
    for check in &report.checks {
        let (class, word) = if check.agrees { ("good", "agrees") } else { ("bad", "DISAGREES") };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            escape(check.what),
            escape(&check.left),
            escape(&check.right),
        );
    }
    page.push_str("</table>\n");
}
