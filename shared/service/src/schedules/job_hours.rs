//! Jobs are counted by the hour: the counts outlive the history.

use super::{Entry, MINUTE, Work};
use crate::Error;
use crate::context::{begin, commit};
use certmill_pg::Pool;
use certmill_queue::hours;
use certmill_store::{clock, walk};
use time::{Duration, OffsetDateTime};

const NAME: &str = "job_hours";

pub(super) const SCHEDULE: Entry = Entry {
    name: NAME,
    period: |_| MINUTE * 5,
    work: Work::Chore(|pool| Box::pin(step(pool))),
};

/// Commits that were under way when the hour ended have arrived by then.
const LATE: Duration = Duration::minutes(1);

/// One hour a step.
async fn step(pool: &Pool) -> Result<u64, Error> {
    let mut tx = begin(pool).await?;
    let Some(from) = walk::hold(&mut tx, NAME).await? else {
        return Ok(0);
    };
    let hour = whole_hour(from);
    let end = hour + Duration::HOUR;
    if clock::now(&mut tx).await? < end + LATE {
        commit(tx).await?;
        return Ok(0);
    }
    hours::count(&mut tx, hour).await?;
    let gone = hours::forget_old(&mut tx).await?;
    walk::move_on(&mut tx, NAME, end).await?;
    commit(tx).await?;
    Ok(gone + 1)
}

/// The beginning of the hour (UTC).
fn whole_hour(at: OffsetDateTime) -> OffsetDateTime {
    let into = at.unix_timestamp().rem_euclid(3_600);
    at - Duration::seconds(into) - Duration::nanoseconds(i64::from(at.nanosecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn an_hour_begins_at_its_first_instant() {
        let begun = datetime!(2030-01-01 10:00 UTC);
        assert_eq!(whole_hour(begun), begun);
        assert_eq!(whole_hour(datetime!(2030-01-01 10:59:59.999 UTC)), begun);
    }
}
