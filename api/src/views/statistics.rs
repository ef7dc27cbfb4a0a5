//! Counts of jobs in the words of the wire.

use certmill_queue::hours::JobHour;
use certmill_wire::{JobHourView, JobHoursView};

/// The hours.
pub(crate) fn job_hours(found: Vec<JobHour>) -> JobHoursView {
    JobHoursView {
        hours: found.into_iter().map(hour).collect(),
    }
}

fn hour(row: JobHour) -> JobHourView {
    JobHourView {
        hour: row.hour,
        kind: row.kind,
        result: row.result,
        jobs: row.jobs,
        waited_s: row.waited_s,
        ran_s: row.ran_s,
    }
}
