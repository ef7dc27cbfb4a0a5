//! What is printed: data on stdout as table or JSON, the rest on stderr.
//!
//! Invariant: text from a server never steers the terminal, and a reader that goes away ends the
//! command quietly.

use std::io::{self, IsTerminal as _, Write as _};

use certmill_domain::waiting::WaitingOn;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::args::Format;
use crate::failure::Failure;

const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");

/// Columns that a terminal needs before cells are fitted to it.
const LEAST_WIDTH: u16 = 80;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
    /// Rows are fitted to it; `None` leaves them as long as they are.
    width: Option<u16>,
    coloured: bool,
}

impl Output {
    /// Prints in this form; colours need a terminal and no `NO_COLOR`.
    pub fn new(format: Format, no_color: bool) -> Self {
        let on_terminal = io::stdout().is_terminal();
        Self {
            format,
            // Cells broken over many lines are worse than lines broken by a narrow terminal.
            width: Table::new().width().filter(|width| *width >= LEAST_WIDTH),
            coloured: on_terminal && !no_color,
        }
    }

    /// Whether scripts read it.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// One JSON value.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.text(&format!("{text}\n"))
    }

    /// Rows under a header.
    pub fn rows(&self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut table = self.table();
        if let Some(width) = self.width {
            table.set_width(width);
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(header.iter().copied());
        for row in rows {
            table.add_row(row.iter().map(|text| self.cell(text)));
        }
        self.text(&lines(table))
    }

    /// One thing, a line a field; empty fields are left out.
    pub fn fields(&self, fields: &[(&str, String)]) -> Result<(), Failure> {
        let mut table = self.table();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            table.add_row([Cell::new(name), self.cell(value)]);
        }
        self.text(&lines(table))
    }

    /// Text as it is.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// A word to the user, beside the data.
    pub fn note(&self, text: &str) {
        // A closed stderr must not fail what was done.
        let _ = writeln!(io::stderr().lock(), "{}", plain(text));
    }

    /// Says how to go on, if a list goes on.
    pub fn note_next(&self, next_cursor: Option<&str>) {
        if let (Some(cursor), false) = (next_cursor, self.is_json()) {
            self.note(&format!("there is more: add --cursor {cursor}"));
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        // Styling and width are decided here, not by the library's own look at stdout.
        table.force_no_tty();
        if self.coloured {
            table.enforce_styling();
        }
        table
    }

    fn cell(&self, text: &str) -> Cell {
        let cell = Cell::new(plain(text));
        let color = match text {
            "issued" | "completed" | "alive" | "active" => Color::Green,
            "failed" | "discarded" | "dead" | "silent" => Color::Red,
            "pending" | "retryable" | "running" | "draining" => Color::Yellow,
            _ => return cell,
        };
        if self.coloured { cell.fg(color) } else { cell }
    }
}

fn lines(mut table: Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    let text: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    if text.is_empty() {
        String::new()
    } else {
        text.join("\n") + "\n"
    }
}

/// The text with everything made visible that could steer a terminal or reorder the line.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => c.to_string(),
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                c.escape_unicode().to_string()
            }
            c => c.to_string(),
        })
        .collect()
}

/// An instant for people, in UTC.
pub fn instant(at: OffsetDateTime) -> String {
    let utc = at.to_offset(time::UtcOffset::UTC);
    utc.format(INSTANT).unwrap_or_else(|_| utc.to_string())
}

/// What something waits for, and until when; both empty where it waits for nothing.
pub fn waiting(on: Option<&WaitingOn>) -> (String, String) {
    let until = on.and_then(|on| on.until).map(instant);
    let sentence = on.map(|on| on.sentence.clone());
    (sentence.unwrap_or_default(), until.unwrap_or_default())
}

/// A length of time for people: the largest unit that fits without a rest.
pub fn span(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds % unit == 0)
    {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn output() -> Output {
        Output {
            format: Format::Table,
            width: None,
            coloured: false,
        }
    }

    #[test]
    fn a_table_is_columns_without_frames_or_colours() {
        let mut table = output().table();
        table.set_header(["NAME", "STATUS"]);
        table.add_row([output().cell("shop.example.com"), output().cell("issued")]);
        let text = lines(table);
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("NAME "), "{text:?}");
        assert!(text.contains("shop.example.com") && text.contains("issued"));
        assert!(!text.contains('\u{1b}') && !text.contains('|'), "{text:?}");
    }

    #[test]
    fn colours_are_used_where_wanted() {
        let coloured = Output {
            coloured: true,
            ..output()
        };
        let mut table = coloured.table();
        table.add_row([coloured.cell("failed")]);
        assert!(lines(table).contains('\u{1b}'));
    }

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
    }

    #[test]
    fn instants_and_spans_are_short() {
        assert_eq!(
            instant(datetime!(2026-03-01 13:00:05.5 +1)),
            "2026-03-01 12:00:05Z"
        );
        assert_eq!(
            [span(60), span(90), span(47 * 86_400)],
            ["1m", "90s", "47d"]
        );
        assert_eq!(span(0), "0s");
    }
}
