//! Did an embedded database outlive its certmill, or leave something behind?

use certmill_pg::embedded::{self, Look};

use crate::{Check, Finding, Patient};

const ID: &str = "leftovers";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    judge(embedded::look(&patient.settings.data_dir))
        .into_iter()
        .collect()
}

fn judge(seen: Look) -> Option<Finding> {
    match seen {
        Look::Absent => None,
        Look::Stopped => Some(Finding::ok(ID, "the embedded database is stopped")),
        Look::Running { pid } => Some(Finding::ok(
            ID,
            format!("the embedded database runs (process {pid})"),
        )),
        Look::Orphaned { pid } => Some(Finding::warn(
            ID,
            format!("an embedded database runs without its certmill (process {pid})"),
            "the next `certmill up` waits for it and then refuses to start",
            format!("kill -INT {pid}"),
        )),
        Look::Stale { file } => Some(Finding::warn(
            ID,
            format!("{} names a server that is gone", file.display()),
            "the server was killed; its next start recovers, which takes a while",
            "start `certmill up`, which removes the file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn leavings_are_told_and_a_running_server_is_not() {
        let level = |seen| judge(seen).map(|finding| finding.level);
        assert_eq!(level(Look::Absent), None);
        assert_eq!(level(Look::Running { pid: 7 }), Some(Level::Ok));
        assert_eq!(level(Look::Orphaned { pid: 7 }), Some(Level::Warn));
        assert_eq!(level(Look::Stale { file: "f".into() }), Some(Level::Warn));
    }
}
