//! Does what was committed survive a crash of the server?

use certmill_pg::vitals;

use crate::{Check, Finding, Patient};

const ID: &str = "durability";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(server) = patient.ask(vitals::server).await else {
        return Vec::new();
    };
    judge(
        server.fsync,
        server.full_page_writes,
        &server.synchronous_commit,
    )
}

fn judge(fsync: bool, full_page_writes: bool, synchronous_commit: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, on) in [("fsync", fsync), ("full_page_writes", full_page_writes)] {
        if !on {
            found.push(Finding::fail(
                ID,
                format!("{name} is off"),
                "a crash of the machine can destroy the whole database",
                format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"),
            ));
        }
    }
    if synchronous_commit == "off" {
        found.push(Finding::warn(
            ID,
            "synchronous_commit is off",
            "a crash loses the last answers: a certificate can be known to its requester and not \
             to certmill",
            "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf(); look for ALTER \
             ROLE and ALTER DATABASE settings as well",
        ));
    }
    if found.is_empty() {
        let what =
            format!("fsync and full_page_writes on, synchronous_commit {synchronous_commit}");
        found.push(Finding::ok(ID, what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn each_switch_is_told_by_itself() {
        let levels = |found: Vec<Finding>| {
            found
                .into_iter()
                .map(|finding| finding.level)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(judge(true, true, "on")), [Level::Ok]);
        assert_eq!(levels(judge(true, true, "remote_apply")), [Level::Ok]);
        assert_eq!(levels(judge(false, true, "on")), [Level::Fail]);
        assert_eq!(
            levels(judge(true, false, "off")),
            [Level::Fail, Level::Warn]
        );
    }
}
