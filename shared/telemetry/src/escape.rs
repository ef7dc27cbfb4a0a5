//! A writer that keeps one event on one line and makes hidden characters visible.
//!
//! Invariant: the only control byte that passes is the newline that ends the event. In JSON mode
//! characters are replaced by `\uXXXX`, which is legal since they can stand only inside strings.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Makes a writer for each event that escapes before it hands on to the inner one.
pub(crate) struct EscapingMaker<M> {
    inner: M,
}

impl<M> EscapingMaker<M> {
    pub(crate) fn new(inner: M) -> Self {
        Self { inner }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for EscapingMaker<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter {
            inner: self.inner.make_writer(),
        }
    }
}

/// Writes one formatted event; the formatter hands over the whole event in one call.
pub(crate) struct EscapingWriter<W> {
    inner: W,
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(buf);
        self.inner.write_all(escape(&text).as_bytes())?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// C0, DEL and C1 controls, line and paragraph separators, and the marks that reorder text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(crate) fn escape(event: &str) -> Cow<'_, str> {
    let body = event.strip_suffix('\n').unwrap_or(event);
    if !body.chars().any(is_hidden) {
        return Cow::Borrowed(event);
    }
    let mut out = String::with_capacity(event.len() + 16);
    for c in body.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                // Every hidden character is in the basic plane, so one unit is enough.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push_str(&event[body.len()..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn leaves_ordinary_lines_alone() {
        assert_eq!(escape("{\"a\":\"ü 漢\"}\n"), "{\"a\":\"ü 漢\"}\n");
    }

    #[test]
    fn keeps_one_event_on_one_line() {
        assert_eq!(
            escape("a\nb\u{1b}[31m\u{202e}c\n"),
            "a\\nb\\u001b[31m\\u202ec\n"
        );
        assert_eq!(escape("no end\u{85}"), "no end\\u0085");
    }
}
