//! What is printed: data on stdout in the form that was asked for, the rest on stderr.
//!
//! Invariant: text from a server never steers the terminal, and a reader that goes away ends the
//! command quietly.

use std::io::{self, IsTerminal as _, Write as _};

use certmill_domain::waiting::WaitingOn;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::args::Format;
use crate::failure::Failure;
use crate::yaml;

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

    /// Whether a whole value is wanted, as JSON or otherwise.
    pub fn is_value(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml | Format::Jsonl)
    }

    /// Whether people read it.
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// One value, or for `jsonl` each member of its `data`.
    pub fn value(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = match self.format {
            Format::Yaml => yaml::document(&serde_json::to_value(value).map_err(io::Error::from)?),
            Format::Jsonl => json_lines(&serde_json::to_value(value).map_err(io::Error::from)?),
            _ => serde_json::to_string_pretty(value).map_err(io::Error::from)? + "\n",
        };
        self.text(&text)
    }

    /// Rows under a header; the first column holds names.
    pub fn rows(&self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        match self.format {
            Format::Csv => return self.text(&csv(header, rows)),
            Format::Name => {
                let names = rows.iter().filter_map(|row| row.first());
                return self.text(&names.map(|name| plain(name) + "\n").collect::<String>());
            }
            _ => {}
        }
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
        match self.format {
            Format::Csv => {
                let (header, row): (Vec<&str>, Vec<String>) = fields.iter().cloned().unzip();
                return self.text(&csv(&header, &[row]));
            }
            Format::Name => {
                let called = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted);
                let name = called("name").or_else(|| called("id")).or(fields.first());
                return self.text(&name.map(|(_, name)| plain(name) + "\n").unwrap_or_default());
            }
            _ => {}
        }
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
        // Only these two show the cursor themselves.
        let shown = matches!(self.format, Format::Json | Format::Yaml);
        if let (Some(cursor), false) = (next_cursor, shown) {
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

/// A line for each thing.
fn json_lines(value: &Value) -> String {
    let list = value.get("data").and_then(Value::as_array);
    let things = list.map_or(std::slice::from_ref(value), Vec::as_slice);
    things.iter().map(|thing| format!("{thing}\n")).collect()
}

/// RFC 4180, but for the ends of lines; the header in the words of JSON.
fn csv(header: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let names = header
        .iter()
        .map(|name| name.to_lowercase().replace(' ', "_"));
    let mut text = line(names.collect());
    for row in rows {
        text += &line(row.iter().map(|text| cell(&plain(text))).collect());
    }
    text
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

/// A line on stdout, for commands whose output has no other form.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()?;
    Ok(())
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
    fn scripts_get_a_line_for_each_thing() {
        let page = serde_json::json!({ "data": [{ "a": 1 }, { "a": 2 }], "has_more": false });
        assert_eq!(json_lines(&page), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(json_lines(&serde_json::json!({ "a": 1 })), "{\"a\":1}\n");
        let row = ["a\u{1b}".to_owned(), "b,\"c\"".to_owned()];
        assert_eq!(
            csv(&["NAME", "NOT AFTER"], &[row.to_vec()]),
            "name,not_after\na\\u{1b},\"b,\"\"c\"\"\"\n"
        );
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
