//! Sets up tracing once a process.
//!
//! Invariant: events go to stderr, JSON has its fields (and so `event`) at the top level, and the
//! ready line is shown whatever the filter says, since scripts wait for it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::capture;
use crate::escape::EscapingMaker;
use crate::ready::READY_TARGET;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, for machines; the default of the roles.
    Json,
    /// One plain line an event, for people at a terminal.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter is not of the form `info,certmill_queue=debug`.
    #[error(
        "log filter `{filter}` cannot be read: {source}; write it like `info,certmill_queue=debug`"
    )]
    Filter {
        /// The filter as given.
        filter: String,
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process has set up logging already.
    #[error("logging is set up already: {0}")]
    Again(#[from] TryInitError),
}

/// Sets up logging for the whole process and turns panics into events.
///
/// `filter` is a list of directives (`info`, `warn,certmill_queue=debug`).
///
/// # Errors
/// A filter that cannot be parsed, or a second call in one process.
pub fn init(format: Format, filter: &str) -> Result<(), InitError> {
    match format {
        Format::Json => json_subscriber(parse_filter(filter)?, io::stderr).try_init()?,
        Format::Text => text_subscriber(parse_filter(filter)?, io::stderr).try_init()?,
    }
    log_panics();
    Ok(())
}

/// Whether [`init`] would take this filter.
///
/// # Errors
/// Why not.
pub fn check_filter(filter: &str) -> Result<(), InitError> {
    parse_filter(filter).map(|_| ())
}

fn parse_filter(filter: &str) -> Result<EnvFilter, InitError> {
    let bad = |source| InitError::Filter {
        filter: filter.to_owned(),
        source,
    };
    let parsed = EnvFilter::builder().parse(filter).map_err(bad)?;
    let ready = format!("{READY_TARGET}=info").parse().map_err(bad)?;
    Ok(parsed.add_directive(ready))
}

pub(crate) fn json_subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let written = tracing_subscriber::fmt::layer()
        .with_writer(EscapingMaker::new(writer))
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    // The filter is that of the written lines; what is captured does not depend on it.
    tracing_subscriber::registry()
        .with(written.with_filter(filter))
        .with(capture::layer())
}

fn text_subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let written = tracing_subscriber::fmt::layer()
        .with_writer(EscapingMaker::new(writer))
        .with_ansi(false)
        .with_target(false);
    tracing_subscriber::registry()
        .with(written.with_filter(filter))
        .with(capture::layer())
}

/// The standard hook prints several bare lines, which would break readers of JSON lines.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("not a text");
        let place = panic.location().map(ToString::to_string);
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
        tracing::error!(event = "panic", place, backtrace = trace, "panic: {what}");
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ready::{Ready, ready};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured(filter: &str, act: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Captured::default();
        let sink = lines.clone();
        let subscriber = json_subscriber(parse_filter(filter).unwrap(), move || sink.clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn ready_is_one_flat_line_under_any_filter() {
        let lines = captured("error", || {
            ready(&Ready {
                role: "api",
                name: "a-1",
                url: Some("https://127.0.0.1:8443"),
                ..Ready::default()
            });
            tracing::info!("hidden by the filter");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["event"], "ready");
        assert_eq!(lines[0]["role"], "api");
        assert_eq!(lines[0]["name"], "a-1");
        assert_eq!(lines[0]["url"], "https://127.0.0.1:8443");
        assert!(lines[0].get("queues").is_none());
    }

    #[test]
    fn hostile_fields_stay_inside_their_string() {
        let hostile = "x\n{\"event\":\"ready\"}\u{1b}[2J\u{202e}";
        let lines = captured(
            "info",
            || tracing::info!(event = "probe", san = %hostile, "m"),
        );
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["event"], "probe");
        assert_eq!(lines[0]["san"], hostile);
    }

    #[test]
    fn a_bad_filter_says_so() {
        let error = parse_filter("certmill=loudly").unwrap_err().to_string();
        assert!(error.contains("certmill=loudly"), "{error}");
    }
}
