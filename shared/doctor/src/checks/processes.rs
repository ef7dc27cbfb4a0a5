//! Are there processes past their lease that nobody declared dead?

use certmill_pg::{Pool, vitals};
use certmill_queue::process::{self, ProcessRow};
use time::{Duration, OffsetDateTime};

use crate::patient::Answered;
use crate::{Check, Finding, Patient};

const ID: &str = "processes";
/// Past its lease for so long, a live worker's rescue would have found it.
const RESCUE_WITHIN: Duration = Duration::seconds(60);

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let seen = patient.ask(read).await;
    seen.iter().map(|(rows, now)| judge(rows, *now)).collect()
}

async fn read(pool: &Pool) -> Answered<(Vec<ProcessRow>, OffsetDateTime)> {
    let now = vitals::clock(pool).await?;
    let mut conn = pool.acquire().await?;
    Ok((process::processes(&mut conn).await?, now))
}

fn judge(rows: &[ProcessRow], now: OffsetDateTime) -> Finding {
    let silent: Vec<String> = rows
        .iter()
        .filter(|row| row.dead_at.is_none() && now - row.expires_at > RESCUE_WITHIN)
        .map(|row| format!("{} {} ({} jobs)", row.role, row.label, row.running))
        .collect();
    let alive = rows.iter().filter(|row| row.alive).count();
    if silent.is_empty() {
        return Finding::ok(ID, format!("{alive} alive, none left behind"));
    }
    Finding::warn(
        ID,
        format!(
            "silent past their lease and not declared dead: {}",
            silent.join(", ")
        ),
        "their jobs wait: no living worker declares them dead and takes the jobs over",
        "start a worker (`certmill worker`, or `certmill up`)",
    )
}
