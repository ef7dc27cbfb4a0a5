//! Do this machine and the database agree on the time?

use std::time::Instant;

use certmill_pg::{Pool, vitals};
use certmill_telemetry::clock::now_utc;
use time::Duration;

use crate::patient::Answered;
use crate::{Check, Finding, Patient};

const ID: &str = "clock_skew";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let seen = patient.ask(measure).await;
    seen.iter()
        .map(|(skew, doubt)| judge(*skew, *doubt))
        .collect()
}

/// How far the database is ahead, and up to what that is known.
async fn measure(pool: &Pool) -> Answered<(Duration, Duration)> {
    // The first question may open a connection; only the second one is timed.
    vitals::clock(pool).await?;
    let (here, asked) = (now_utc(), Instant::now());
    let there = vitals::clock(pool).await?;
    let trip = Duration::try_from(asked.elapsed()).unwrap_or(Duration::MAX);
    Ok((there - here - trip / 2, trip / 2))
}

/// `skew` is how far the database is ahead, known up to `doubt`.
fn judge(skew: Duration, doubt: Duration) -> Finding {
    let ms = skew.whole_milliseconds();
    if skew.abs() - doubt <= Duration::SECOND {
        return Finding::ok(ID, format!("the database is {ms} ms ahead of this machine"));
    }
    Finding::warn(
        ID,
        format!("the database is {ms} ms ahead of this machine"),
        "leases and renewals go by the database's clock alone; logs of this machine, TLS checks \
         here and dates of fresh certificates as peers see them do not agree with it",
        "let both keep time (`timedatectl status`, `chronyc tracking`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn more_than_a_second_beyond_the_doubt_is_told() {
        let level =
            |skew, doubt| judge(Duration::milliseconds(skew), Duration::milliseconds(doubt)).level;
        assert_eq!(level(900, 0), Level::Ok);
        assert_eq!(level(-1_100, 0), Level::Warn);
        assert_eq!(level(1_100, 200), Level::Ok);
        assert_eq!(level(7_200_000, 3), Level::Warn);
    }
}
