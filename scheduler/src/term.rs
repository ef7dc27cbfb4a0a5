//! The work of one term: settle what is due, sleep until the next slot.

use crate::horizon;
use crate::runtime::Options;
use certmill_coordination::{Error, Schedule, Term, Ticked, schedule};
use certmill_domain::schedule::LANE;
use certmill_pg::Pool;
use certmill_queue::Hinter;
use certmill_tasks::Backoff;
use std::time::Duration;

/// Longest sleep between two looks at the schedules.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Between tries while the database does not answer.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
/// How long settled slots are kept.
const KEEP_TICKS: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Leads until the term ends; the campaign drops this future then.
pub(crate) async fn lead(options: &Options, term: Term) {
    tracing::info!(event = "leader", epoch = term.epoch(), "this process leads");
    tokio::select! {
        () = settle(options, &term) => {}
        () = horizon::watch(&options.pool) => {}
    }
}

/// Settles slots as long as the term is held.
async fn settle(options: &Options, term: &Term) {
    let (pool, hinter) = (&options.pool, &options.hinter);
    let mut failures = 0;
    let mut declared = false;
    while term.is_held() {
        let round = async {
            if !declared {
                declare(pool, &options.schedules).await?;
                schedule::prune(pool, term, KEEP_TICKS).await?;
            }
            settle_due(pool, hinter, term).await
        };
        let pause = match round.await {
            Ok(next) => {
                failures = 0;
                declared = true;
                next
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(event = "schedules_not_settled", %error);
                RETRY.delay(failures, &mut rand::rng())
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn declare(pool: &Pool, schedules: &[Schedule]) -> Result<(), Error> {
    for one in schedules {
        schedule::declare(pool, one).await?;
    }
    Ok(())
}

/// Settles every due slot; how long until the next one.
async fn settle_due(pool: &Pool, hinter: &Hinter, term: &Term) -> Result<Duration, Error> {
    let due = schedule::due(pool).await?;
    for slot in &due.slots {
        loop {
            match schedule::tick(pool, term, slot).await? {
                Ticked::Emitted { job_id, skipped } => {
                    tracing::debug!(event = "tick", schedule = slot.schedule, job_id, skipped);
                    hinter.hint(LANE);
                    break;
                }
                Ticked::Skipped { slots, more } => {
                    tracing::debug!(event = "slots_skipped", schedule = slot.schedule, slots);
                    if !more {
                        break;
                    }
                }
                Ticked::NotLeader | Ticked::Taken => break,
            }
        }
    }
    if !due.slots.is_empty() {
        return Ok(Duration::ZERO);
    }
    // A slot may lie a few milliseconds off by rounding: look a little later rather than twice.
    Ok((due.next_in.unwrap_or(LOOK_EVERY) + Duration::from_millis(5)).min(LOOK_EVERY))
}
