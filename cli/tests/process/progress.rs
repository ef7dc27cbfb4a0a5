//! Lines for whoever watches a long test: they pass by the test runner's capture.
//!
//! Invariant: nothing here decides anything.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, Instant};

use certmill_pg::Pool;
use sqlx::FromRow;

/// Writes one line at once.
pub fn say(line: impl Display) {
    writeln!(std::io::stderr(), "process: {line}").ok();
}

/// What happened so far, by the event log.
#[derive(Debug, Default, Clone, Copy, FromRow)]
pub struct Tally {
    pub certificates: i64,
    pub issued: i64,
    pub versions: i64,
    pub rescues: i64,
    pub terms: i64,
    pub ticks: i64,
    pub skips: i64,
    pub live: i64,
    /// Least time that a version had left when the next one was stored, in seconds.
    pub closest_s: Option<f64>,
}

/// Counts.
pub async fn tally(owner: &Pool) -> Tally {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM certificate) AS certificates, \
                (SELECT count(*) FROM certificate WHERE status = 'issued') AS issued, \
                (SELECT count(*) FROM version) AS versions, \
                (SELECT count(*) FROM harness.job_events WHERE ev = 'rescued') AS rescues, \
                (SELECT count(*) FROM harness.leader_epochs) AS terms, \
                (SELECT count(*) FROM schedule_tick WHERE NOT skipped) AS ticks, \
                (SELECT count(*) FROM schedule_tick WHERE skipped) AS skips, \
                (SELECT count(*) FROM job) AS live, \
                (SELECT extract(epoch FROM min(old.not_after - new.issued_at))::float8 \
                 FROM version old JOIN version new ON new.certificate_id = old.certificate_id \
                  AND new.generation = old.generation + 1) AS closest_s",
    )
    .fetch_one(owner)
    .await
    .unwrap()
}

/// Says every ten seconds how far things are; never ends.
pub async fn report(owner: Pool) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let now = tally(&owner).await;
        say(format_args!(
            "{:>3} s: {} of {} certificates issued, {} versions, {} rescues, {} terms, {} ticks, {} skips, {} live jobs",
            began.elapsed().as_secs(),
            now.issued,
            now.certificates,
            now.versions,
            now.rescues,
            now.terms,
            now.ticks,
            now.skips,
            now.live,
        ));
    }
}
