//! One attempt at a job: its handler within bounds, and what it logged.

use crate::outcome::{Failed, Outcome};
use crate::runtime::Kinds;
use certmill_queue::backoff::backoff;
use certmill_queue::{ClaimedJob, Ended, FailureClass, StopLimits, Stops};
use certmill_tasks::catch;
use certmill_telemetry::capture::{Line, capture};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// What an attempt came to.
pub(crate) struct Attempted {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What it logged; nothing as a rule.
    pub(crate) lines: Vec<Line>,
}

impl Attempted {
    /// The lines as the attempt's row holds them.
    pub(crate) fn log(&self) -> Option<Value> {
        let shown = |line: &Line| {
            json!({
                "at": line.at.format(&Rfc3339).unwrap_or_default(),
                "level": line.level.as_str(),
                "text": line.text,
            })
        };
        let lines: Vec<Value> = self.lines.iter().map(shown).collect();
        (!lines.is_empty()).then_some(Value::Array(lines))
    }
}

/// Runs the job's handler once. A panic and an overrun deadline are failures like any other, so that the
/// rows of the job's kind say so too.
pub(crate) async fn attempt(
    kinds: &impl Kinds,
    stops: &Stops,
    limits: StopLimits,
    job: &ClaimedJob,
) -> Attempted {
    let handler = catch(&job.kind, kinds.run(job));
    let (ended, lines) = capture(stops.run(&job.lease, limits, handler)).await;
    let outcome = match ended {
        Ended::Itself(Some(outcome)) => outcome,
        Ended::Itself(None) => dropped(job, "panic", "the handler panicked"),
        Ended::TimedOut => dropped(job, "timeout", "the handler was not done by its deadline"),
        Ended::Stopped => Outcome::Stop("its handler did not end by itself and was dropped"),
    };
    Attempted { outcome, lines }
}

fn dropped(job: &ClaimedJob, code: &str, detail: &str) -> Outcome {
    let class = FailureClass::Retry;
    Outcome::Fail(Failed {
        class,
        code: code.to_owned(),
        detail: detail.to_owned(),
        backoff: backoff(class, job.attempt, &mut rand::rng()),
        permanent: false,
    })
}
