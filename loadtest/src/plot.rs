//! Growth as a picture: cost by size, each line beside its own beginning.
//!
//! Invariant: it shows what the report says, and nothing is drawn that the table does not hold.

use std::fmt::Write as _;

use crate::figure::Figure;
use crate::report::Report;
use crate::suites::growth::SIZES;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 200.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 40.0;
/// Distinguishable for the colour-blind (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/// An SVG of the report.
pub fn svg(report: &Report) -> String {
    let mut names: Vec<&str> = Vec::new();
    for figure in &report.figures {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    let highest = report.figures.iter().filter_map(|one| one.ratio);
    let highest = highest.fold(1.5, f64::max).ceil();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    axes(&mut text, highest);
    for (name, colour) in names.iter().zip(COLOURS.iter().cycle()) {
        let points = points(report, name, highest);
        line(&mut text, name, colour, &points);
    }
    text.push_str("</svg>\n");
    text
}

fn across(nth: usize) -> f64 {
    let steps = (SIZES.len() - 1) as f64;
    LEFT + (WIDTH - LEFT - RIGHT) * nth as f64 / steps
}

fn down(ratio: f64, highest: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ratio / highest
}

fn axes(text: &mut String, highest: f64) {
    for (nth, (size, _)) in SIZES.iter().enumerate() {
        let (x, y) = (across(nth), HEIGHT - BOTTOM + 18.0);
        writeln!(
            text,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\">{size}</text>"
        )
        .ok();
    }
    let mut ratio = 0.0;
    while ratio <= highest {
        let (y, end) = (down(ratio, highest), WIDTH - RIGHT);
        writeln!(
            text,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{ratio} x</text>",
            LEFT - 8.0,
            y + 4.0
        )
        .ok();
        ratio += if highest > 4.0 { 1.0 } else { 0.5 };
    }
}

/// Where the line of a figure goes; the smallest size is its own measure.
fn points(report: &Report, name: &str, highest: f64) -> Vec<(f64, f64)> {
    let at = |figure: &Figure| {
        let nth = SIZES.iter().position(|size| size.0 == figure.subject)?;
        Some((across(nth), down(figure.ratio.unwrap_or(1.0), highest)))
    };
    let of_it = report.figures.iter().filter(|figure| figure.name == name);
    of_it.filter_map(at).collect()
}

fn line(text: &mut String, name: &str, colour: &str, points: &[(f64, f64)]) {
    let Some((x, y)) = points.last() else {
        return;
    };
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
         <text x=\"{:.0}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
        path.join(" "),
        x + 8.0,
        y + 4.0
    )
    .ok();
}
