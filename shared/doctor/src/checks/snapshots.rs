//! Does somebody keep an old snapshot, so that dead rows pile up?

use certmill_pg::vitals;

use crate::{Check, Finding, Patient};

const ID: &str = "snapshots";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let question = |pool| vitals::snapshot_holders(pool, patient.snapshot_patience);
    let Some(holders) = patient.ask(question).await else {
        return Vec::new();
    };
    if holders.is_empty() {
        return vec![Finding::ok(ID, "nobody holds an old snapshot")];
    }
    let each: Vec<String> = holders
        .iter()
        .map(|holder| {
            format!(
                "{} {} for {} s",
                holder.who, holder.application, holder.age_s
            )
        })
        .collect();
    vec![Finding::warn(
        ID,
        format!("old snapshots are held: {}", each.join(", ")),
        "no dead row younger than them can be removed, and claims of jobs become slower",
        "end the transaction, or the session by `SELECT pg_terminate_backend(PID)`",
    )]
}
