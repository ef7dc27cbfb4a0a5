//! The schedules: one line a schedule.

use certmill_coordination::Schedule;
use certmill_domain::ids::TeamId;
use certmill_domain::schedule::{CRL_SWEEP, LANE, PARTITION_CARE, RENEWAL_SWEEP};
use std::time::Duration;

/// Distances of slots that come from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// Of the renewal sweep.
    pub renewal: Duration,
}

/// Partitions are made days ahead, so an hour's slot has many tries.
const PARTITION_SLOT: Duration = Duration::from_secs(3_600);

/// What is revoked is listed by a job of its own; this finds what that one lost, and what grows old.
const CRL_SLOT: Duration = Duration::from_secs(60);

/// All schedules.
pub(crate) fn schedules(periods: Periods) -> Vec<Schedule> {
    vec![
        schedule("renewal", periods.renewal, RENEWAL_SWEEP),
        schedule("partition_care", PARTITION_SLOT, PARTITION_CARE),
        schedule("crl", CRL_SLOT, CRL_SWEEP),
    ]
}

fn schedule(name: &str, period: Duration, kind: &str) -> Schedule {
    Schedule {
        name: name.to_owned(),
        period,
        team_id: TeamId::DEFAULT.0,
        queue: LANE.to_owned(),
        kind: kind.to_owned(),
        priority: 0,
        max_attempts: 3,
        args: serde_json::json!({}),
    }
}
