//! May the processes together open more connections than the server gives?

use certmill_pg::Demand;

use crate::{Check, Finding, Patient};

const ID: &str = "connections";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let demand = patient.ask(Demand::read).await;
    demand.iter().map(judge).collect()
}

fn judge(demand: &Demand) -> Finding {
    match demand.excess() {
        Some(what) => Finding::warn(
            ID,
            what,
            "under load a process finds no connection (SQLSTATE 53300), and whoever comes last \
             does not start",
            "lower database.max_connections of the processes, raise max_connections of Postgres, \
             or put a pooler in between",
        ),
        None => Finding::ok(
            ID,
            format!(
                "{} processes may open {} of {} connections",
                demand.processes.len(),
                demand.sum(),
                demand.room()
            ),
        ),
    }
}
