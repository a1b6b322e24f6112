//! Line charts as SVG, inside a page: nothing is loaded from anywhere.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;
/// Lines of the grid beside the axis.
const GRID: usize = 5;

/// A chart's lines and what they are drawn against.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x_title: &'a str,
    pub y_title: &'a str,
    pub lines: Vec<Line<'a>>,
    /// Places on the x axis, and what is written there.
    pub ticks: Vec<(f64, String)>,
    /// Moments that are marked.
    pub marks: Vec<(f64, &'a str)>,
}

/// One line, drawn through its points.
pub struct Line<'a> {
    pub name: &'a str,
    pub colour: &'a str,
    pub points: Vec<(f64, f64)>,
}

impl Chart<'_> {
    /// Returns the chart as an `svg` element.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_most = points().map(|point| point.0).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let y_most = round_up(points().map(|point| point.1).fold(0.0, f64::max));
        let x = |value: f64| LEFT + value / x_most * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / y_most * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        for step in 0..=GRID {
            let value = y_most * step as f64 / GRID as f64;
            let (at, right) = (y(value), WIDTH - RIGHT);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                number(value),
            );
        }
        for (value, label) in self.ticks.iter().filter(|(value, _)| *value <= x_most) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x(*value),
                HEIGHT - BOTTOM + 16.0,
                escape(label),
            );
        }
        for (value, label) in &self.marks {
            let at = x(value.min(x_most));
            let bottom = HEIGHT - BOTTOM;
            let _ = writeln!(
                svg,
                "<line class=\"mark\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                at + 4.0,
                TOP + 10.0,
                escape(label),
            );
        }
        for line in &self.lines {
            let path: Vec<String> = line
                .points
                .iter()
                .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" stroke=\"{}\"><title>{}</title></polyline>",
                path.join(" "),
                line.colour,
                escape(line.name),
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n</svg>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(self.x_title),
        );
        svg
    }

    /// Returns the chart with its heading and the names of its lines.
    pub fn figure(&self) -> String {
        let mut names = String::new();
        for line in &self.lines {
            let _ = write!(
                names,
                "<span style=\"color:{}\">&#9632;</span> {} &nbsp; ",
                line.colour,
                escape(line.name)
            );
        }
        format!(
            "<figure><figcaption><b>{}</b>, {} &nbsp; {names}</figcaption>\n{}</figure>\n",
            escape(self.title),
            escape(self.y_title),
            self.svg()
        )
    }
}

/// Returns the next of 1, 2, 5, 10, 20, 50, ... above a value.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

/// Writes a number of an axis, without decimals that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns a text as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_drawn_inside_the_axes() {
        let line = Line { name: "a < b", colour: "#000", points: vec![(0.0, 0.0), (10.0, 90.0)] };
        let chart = Chart {
            title: "T",
            x_title: "s",
            y_title: "ms",
            lines: vec![line],
            ticks: vec![(5.0, "5".to_owned()), (20.0, "late".to_owned())],
            marks: vec![(5.0, "here")],
        };
        let svg = chart.svg();
        // 90 of an axis up to 100.
        assert!(svg.contains("points=\"64.0,220.0 844.0,36.4\""), "{svg}");
        assert!(
            svg.contains("a &lt; b") && svg.contains(">here<") && !svg.contains(">late<"),
            "{svg}"
        );
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [(0.0, 1.0), (0.03, 0.05), (1.0, 1.0), (13.0, 20.0), (730.0, 1_000.0)] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}");
        }
        assert_eq!([number(0.2), number(20.0), number(0.0)], ["0.2", "20", "0"]);
    }
}
