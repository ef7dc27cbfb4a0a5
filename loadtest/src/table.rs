//! A report as people read it: columns in a terminal, or Markdown.
//!
//! Invariant: both forms show the same cells.

use comfy_table::{ContentArrangement, Table, presets};

use crate::figure::Figure;
use crate::report::Report;

const HEADER: [&str; 6] = [
    "figure",
    "of",
    "median",
    "min .. max (n)",
    "ratio",
    "wanted",
];

/// Columns for a terminal.
pub fn plain(report: &Report) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER);
    for figure in &report.figures {
        table.add_row(cells(figure));
    }
    let title = format!("{} on {} ({})", report.suite, report.machine, report.date);
    format!("{title}\n\n{}", table.trim_fmt())
}

/// A Markdown table.
pub fn markdown(report: &Report) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEADER.map(str::to_owned));
    text.push_str("|---|---|---|---|---|---|\n");
    for figure in &report.figures {
        text.push_str(&line(&cells(figure)));
    }
    text
}

fn cells(figure: &Figure) -> [String; 6] {
    let ratio = match (figure.ratio, &figure.ratio_to) {
        (Some(ratio), Some(other)) => format!("{ratio} x {other}"),
        _ => String::new(),
    };
    let wanted = match (&figure.wanted, figure.holds) {
        (Some(wanted), Some(true)) => format!("{wanted}: yes"),
        (Some(wanted), Some(false)) => format!("{wanted}: NO"),
        _ => String::new(),
    };
    [
        figure.name.clone(),
        figure.subject.clone(),
        format!("{} {}", figure.value, figure.unit),
        format!("{} .. {} ({})", figure.min, figure.max, figure.n),
        ratio,
        wanted,
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::figure::Wanted;

    #[test]
    fn a_missed_wish_is_seen_in_both_forms() {
        let own = [40.0];
        let figure = Figure::of("bulk", "certmill", "certificates/s", &own)
            .unwrap()
            .beside("limit", &own, &[200.0])
            .wanted(Wanted::RatioAtLeast(0.4));
        let report = Report {
            suite: "issuance".into(),
            date: "2026-01-02".into(),
            machine: "2 cores".into(),
            figures: vec![figure],
        };
        for text in [plain(&report), markdown(&report)] {
            for part in [
                "40 certificates/s",
                "40 .. 40 (1)",
                "0.2 x limit",
                "ratio >= 0.4: NO",
            ] {
                assert!(text.contains(part), "{part} in\n{text}");
            }
        }
        assert_eq!(markdown(&report).lines().count(), 3);
    }
}
