//! What jobs came to by the hour.

use crate::{Caller, Context, Error};
use certmill_queue::hours::{self, JobHour};
use certmill_store::clock;
use time::Duration;

/// How far back they are shown.
const SHOWN: Duration = Duration::days(7);

/// The hours of the last week that are over, the oldest first.
///
/// # Errors
/// Failures of the database.
pub async fn job_hours(context: &Context, caller: &Caller) -> Result<Vec<JobHour>, Error> {
    let mut conn = context.acquire().await?;
    let since = clock::now(&mut conn).await? - SHOWN;
    Ok(hours::since(&mut conn, caller.team_id, since).await?)
}
