//! Is there a database, does it let us in, and is its version one that certmill knows?

use certmill_pg::{MINIMUM_MAJOR, TESTED_MAJOR, vitals};

use crate::patient::Database;
use crate::{Check, Finding, Patient};

const ID: &str = "database";
const WHY: &str = "every process needs it: nothing is issued, renewed or answered without it";

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let pool = match &patient.database {
        Database::Reached { pool, .. } => pool,
        Database::Refused(certmill_pg::Error::Login(refusal)) => {
            return vec![Finding::fail(ID, &refusal.why, WHY, &refusal.advice)];
        }
        Database::Refused(error) => {
            let fix = "see what the sentence says; `certmill config show --origin` tells where \
                       database_url comes from";
            return vec![Finding::fail(ID, error.to_string(), WHY, fix)];
        }
        Database::Unknown => {
            let what = format!(
                "no database_url is set, and no embedded database runs in {}",
                patient.settings.data_dir.display()
            );
            let fix = "start `certmill up`, or set CERTMILL_DATABASE_URL_FILE";
            return vec![Finding::fail(ID, what, WHY, fix)];
        }
    };
    match vitals::server(pool).await {
        Ok(server) => vec![judge(server.major, server.read_only)],
        Err(error) => vec![Finding::fail(
            ID,
            error.to_string(),
            WHY,
            "look into the server's log",
        )],
    }
}

fn judge(major: u32, read_only: bool) -> Finding {
    if major < MINIMUM_MAJOR {
        let what = format!("PostgreSQL {major}, certmill needs {MINIMUM_MAJOR} or newer");
        let why = "statements of certmill do not exist there";
        return Finding::fail(ID, what, why, "upgrade the server, or name another one");
    }
    if read_only {
        let why = "nothing can be written";
        let fix = "name the primary in database_url; `SHOW default_transaction_read_only` and \
                   `SELECT pg_is_in_recovery()` tell which it is";
        let what = format!("PostgreSQL {major} is a standby, or read-only");
        return Finding::fail(ID, what, why, fix);
    }
    if major > TESTED_MAJOR {
        let what = format!("PostgreSQL {major}, certmill is tested up to {TESTED_MAJOR}");
        let why = "its planner and settings may differ from what was tested";
        return Finding::warn(ID, what, why, "look for a newer certmill");
    }
    Finding::ok(ID, format!("PostgreSQL {major} answers"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn versions_are_bounded_on_both_sides() {
        let level = |major, read_only| judge(major, read_only).level;
        assert_eq!(level(11, false), Level::Fail);
        assert!(judge(11, false).what.contains("needs 15 or newer"));
        assert_eq!(level(MINIMUM_MAJOR, false), Level::Ok);
        assert_eq!(level(TESTED_MAJOR, false), Level::Ok);
        assert_eq!(level(TESTED_MAJOR + 1, false), Level::Warn);
        assert_eq!(level(17, true), Level::Fail);
    }
}
