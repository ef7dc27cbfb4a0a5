//! What a piece of work logs, kept in memory for whoever ran it.
//!
//! Invariant: only events of our own crates at info and above are kept, the newest [`LINES_MOST`] of
//! them, each cut at [`CHARS_MOST`]; work that logs nothing allocates nothing.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::future::{Future, poll_fn};
use std::pin::pin;

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::now_utc;
use crate::escape::escape;

/// Lines kept at most; the newest win.
pub const LINES_MOST: usize = 20;
/// Characters of a line at most.
pub const CHARS_MOST: usize = 500;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// This host's clock.
    pub at: OffsetDateTime,
    /// `ERROR`, `WARN` or `INFO`.
    pub level: Level,
    /// The message, then its fields.
    pub text: String,
}

/// Nothing is allocated before the first line.
type Kept = Option<Box<VecDeque<Line>>>;

thread_local! {
    /// The work that this thread polls just now, if it is one that is listened to.
    static OPEN: Cell<Option<Kept>> = const { Cell::new(None) };
}

/// Runs `work` and hands over what it logged, oldest first. Nothing is kept unless [`crate::init`] was
/// called. What it spawns on other tasks is not heard.
pub async fn capture<F: Future>(work: F) -> (F::Output, Vec<Line>) {
    let mut work = pin!(work);
    let mut kept: Kept = None;
    let output = poll_fn(|cx| {
        let _listening = Listening::begin(&mut kept);
        work.as_mut().poll(cx)
    })
    .await;
    let lines = kept.map_or_else(Vec::new, |lines| Vec::from(*lines));
    (output, lines)
}

/// Ends also when the work panics, so that the next one on this thread is not taken for it.
struct Listening<'a> {
    kept: &'a mut Kept,
    outer: Option<Kept>,
}

impl<'a> Listening<'a> {
    fn begin(kept: &'a mut Kept) -> Self {
        let outer = OPEN.replace(Some(kept.take()));
        Self { kept, outer }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        *self.kept = OPEN.replace(self.outer.take()).flatten();
    }
}

/// The layer that listens.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // A prefix of targets: all crates of ours and none of others.
    Captures.with_filter(Targets::new().with_target("certmill", LevelFilter::INFO))
}

struct Captures;

impl<S: Subscriber> Layer<S> for Captures {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken out while it is written to: what a field logs while it is formatted is not kept.
        let Some(mut kept) = OPEN.take() else { return };
        let lines = kept.get_or_insert_default();
        if lines.len() == LINES_MOST {
            lines.pop_front();
        }
        let mut words = Words::default();
        event.record(&mut words);
        lines.push_back(Line {
            at: now_utc(),
            level: *event.metadata().level(),
            text: words.into_text(),
        });
        OPEN.set(Some(kept));
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn into_text(mut self) -> String {
        self.message.push_str(&self.fields);
        let text: String = self.message.trim_start().chars().take(CHARS_MOST).collect();
        escape(&text).into_owned()
    }

    fn add(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context as Poller, Waker};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn heard<T>(act: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, act)
    }

    /// Runs work that never waits.
    fn run<F: Future>(work: F) -> F::Output {
        match pin!(work).poll(&mut Poller::from_waker(Waker::noop())) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn own_events_from_info_on_are_kept_with_their_fields() {
        let (answer, lines) = heard(|| {
            tracing::info!("outside");
            run(capture(async {
                tracing::info!(target: "certmill_x", order = 7, name = "a\nb", "asked");
                tracing::warn!(target: "certmill_x::y", event = "odd");
                tracing::debug!(target: "certmill_x", "too small");
                tracing::error!(target: "sqlx::query", secret = "s", "not ours");
                42
            }))
        });
        assert_eq!(answer, 42);
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["asked order=7 name=a\\nb", "event=odd"]);
        assert_eq!(lines[1].level, Level::WARN);
    }

    #[test]
    fn the_newest_lines_win_and_long_ones_are_cut() {
        let ((), lines) = heard(|| {
            run(capture(async {
                for n in 0..100 {
                    tracing::info!(target: "certmill", n, "{}", "ä".repeat(n * 10));
                }
            }))
        });
        assert_eq!(lines.len(), LINES_MOST);
        assert!(
            lines
                .iter()
                .all(|line| line.text.chars().count() <= CHARS_MOST)
        );
        assert!(lines[0].text.starts_with('ä') && lines[19].text.chars().count() == CHARS_MOST);
    }

    #[test]
    fn works_inside_works_keep_their_own_and_a_panic_ends_listening() {
        let (inner, outer) = heard(|| {
            run(capture(async {
                tracing::info!(target: "certmill", "outer");
                let ((), inner) =
                    capture(async { tracing::info!(target: "certmill", "inner") }).await;
                inner
            }))
        });
        assert_eq!(
            (inner[0].text.as_str(), outer[0].text.as_str()),
            ("inner", "outer")
        );
        assert_eq!((inner.len(), outer.len()), (1, 1));
        let panics = || run(capture(async { panic!("on purpose") }));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert!(OPEN.take().is_none());
    }
}
