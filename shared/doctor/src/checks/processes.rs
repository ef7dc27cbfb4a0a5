//! Are there processes past their lease that nobody declared dead, or apis that do not go together?

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
    let judged = seen.iter().flat_map(|(rows, now)| {
        let apart = limits_apart(rows);
        std::iter::once(judge(rows, *now)).chain(apart)
    });
    judged.collect()
}

async fn read(pool: &Pool) -> Answered<(Vec<ProcessRow>, OffsetDateTime)> {
    let now = vitals::clock(pool).await?;
    let mut conn = pool.acquire().await?;
    Ok((process::processes(&mut conn).await?, now))
}

/// A build that refuses such a company may have been there first; an older one refuses none.
fn limits_apart(rows: &[ProcessRow]) -> Option<Finding> {
    let has_api = |row: &&ProcessRow| row.alive && (row.limits.is_some() || row.role == "api");
    let apis = || rows.iter().filter(has_api);
    let alone = apis().find(|row| row.limits.as_deref() == Some("memory"))?;
    let others = apis().filter(|row| row.id != alone.id);
    let others: Vec<&str> = others.map(|row| row.label.as_str()).collect();
    (!others.is_empty()).then(|| {
        Finding::warn(
            ID,
            format!(
                "the api {} keeps its limits in memory beside {}",
                alone.label,
                others.join(", ")
            ),
            "each of them lets its own burst and rate pass, so that keys and guesses get a multiple",
            "set limits.backend = \"postgres\" for all of them, or leave one",
        )
    })
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
