//! The schedules: one file and one line a schedule.
//!
//! Invariant: the leader only emits; what a slot stands for is a job, done by whichever worker claims
//! it. A chore's step is bounded and may be repeated after any crash.

mod certificates_due;
mod dead_processes;
mod expired_certificates;
mod idle_limits;
mod job_hours;
mod lost_orders;
mod old_events;
mod old_grants;
mod old_idempotency_keys;
mod old_terms;
mod partitions;
mod revocation_lists;

use crate::Error;
use crate::effects::chore::{ChoreArgs, KIND};
use certmill_coordination::Schedule;
use certmill_domain::ids::TeamId;
use certmill_domain::schedule::LANE;
use certmill_pg::Pool;
use futures::future::BoxFuture;
use std::time::Duration;

/// All schedules.
const ALL: &[&Entry] = &[
    &certificates_due::SCHEDULE,
    &dead_processes::SCHEDULE,
    &expired_certificates::SCHEDULE,
    &idle_limits::SCHEDULE,
    &job_hours::SCHEDULE,
    &lost_orders::SCHEDULE,
    &old_events::SCHEDULE,
    &old_grants::SCHEDULE,
    &old_idempotency_keys::SCHEDULE,
    &old_terms::SCHEDULE,
    &partitions::SCHEDULE,
    &revocation_lists::SCHEDULE,
];

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Distances of slots that come from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// Of the renewal sweep.
    pub renewal: Duration,
}

/// One step of a chore: how many rows it saw to. It is repeated until that is none.
type Step = for<'a> fn(&'a Pool) -> BoxFuture<'a, Result<u64, Error>>;

/// What a slot stands for.
enum Work {
    /// A job of a kind of its own, without arguments.
    Kind(&'static str),
    /// Steps that remove or mend rows.
    Chore(Step),
}

/// A schedule as its file says it.
struct Entry {
    name: &'static str,
    period: fn(Periods) -> Duration,
    work: Work,
}

impl Entry {
    fn schedule(&self, periods: Periods) -> Schedule {
        let (kind, args) = match self.work {
            Work::Kind(kind) => (kind, serde_json::json!({})),
            Work::Chore(_) => (KIND, ChoreArgs::of(self.name)),
        };
        Schedule {
            name: self.name.to_owned(),
            period: (self.period)(periods),
            team_id: TeamId::DEFAULT.0,
            queue: LANE.to_owned(),
            kind: kind.to_owned(),
            priority: 0,
            max_attempts: 3,
            args,
        }
    }
}

/// All schedules, as a leader declares them.
#[must_use]
pub fn all(periods: Periods) -> Vec<Schedule> {
    ALL.iter().map(|entry| entry.schedule(periods)).collect()
}

/// One step of the chore of this name; `None` if this build knows none such.
///
/// # Errors
/// The step's; it may be repeated.
pub async fn step(pool: &Pool, chore: &str) -> Option<Result<u64, Error>> {
    let entry = ALL.iter().find(|entry| entry.name == chore)?;
    match entry.work {
        Work::Chore(step) => Some(step(pool).await),
        Work::Kind(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_periods_are_whole_seconds() {
        let schedules = all(Periods {
            renewal: Duration::from_secs(1),
        });
        let names: BTreeSet<_> = schedules.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), schedules.len());
        for one in &schedules {
            assert!(one.period.as_secs() >= 1 && one.period.subsec_nanos() == 0);
        }
    }

    #[test]
    fn the_reference_names_each_of_them() {
        let page = include_str!("../../../../docs/reference/schedules.md");
        let shown = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let names: BTreeSet<_> = ALL.iter().map(|one| one.name).collect();
        assert_eq!(shown.collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn each_kind_that_a_slot_emits_has_an_effect() {
        let periods = Periods { renewal: MINUTE };
        for one in all(periods) {
            let known = crate::effects::KINDS.contains(&one.kind.as_str());
            assert!(known, "{}", one.kind);
        }
    }
}
