//! Does somebody keep an old snapshot, so that dead rows pile up?

use certmill_pg::Horizon;

use crate::{Check, Finding, Patient};

const ID: &str = "snapshots";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let question = |pool| Horizon::look(pool, patient.horizon_limits);
    let seen = patient.ask(question).await;
    seen.iter().map(judge).collect()
}

fn judge(seen: &Horizon) -> Finding {
    if !seen.holders.is_empty() {
        return Finding::warn(
            ID,
            format!(
                "old snapshots are held: {}; the table of jobs has {} dead rows beside {} live ones",
                seen.told(),
                seen.dead_jobs,
                seen.live_jobs
            ),
            "no dead row younger than them can be removed, and claims of jobs become slower",
            "end a session by `SELECT pg_terminate_backend(PID)`, a prepared transaction by `ROLLBACK \
             PREPARED 'NAME'`, a slot that nobody reads by `SELECT pg_drop_replication_slot('NAME')`",
        );
    }
    Finding::ok(
        ID,
        match seen.hidden {
            0 => "nobody holds an old snapshot".to_owned(),
            hidden => format!(
                "nobody whom this login may look at holds an old snapshot; {hidden} sessions of \
                 others are hidden from it (GRANT pg_read_all_stats TO this login shows them)"
            ),
        },
    )
}
