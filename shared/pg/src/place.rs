//! Which server is at the other end, and whether it continues the history that this process knows.
//!
//! Invariant: a process that has worked on a timeline never works on a lower one, nor on another
//! system, nor on a server that takes no writes.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::types::time::OffsetDateTime;
use sqlx::{Executor as _, PgConnection, Row as _};

/// A server at one time of its life. Chapter "Continuous Archiving" of the Postgres manual says what
/// timelines are: each promotion starts a new one, with a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Drawn by `initdb`; the same for a primary and its standbys. None where the server does not
    /// tell, as some managed ones.
    pub system: Option<i64>,
    /// Of the WAL that it writes; none on a standby, and where the server does not tell.
    pub timeline: Option<i32>,
    /// When its postmaster was started: another one at each restart, and on each other machine.
    pub started_at: OffsetDateTime,
    /// A standby, or `default_transaction_read_only`.
    pub read_only: bool,
}

/// What a place means to whoever knows another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing has happened in between.
    Same,
    /// The server was started anew, or another one was promoted: whether all is there that was
    /// acknowledged must be looked at.
    Moved,
    /// It must not be worked on, and why.
    Refused(String),
}

const FACTS: &str = "pg_postmaster_start_time(), \
    pg_is_in_recovery() OR current_setting('transaction_read_only')::bool";

/// The timeline stands in the first eight digits of the name of the WAL file.
const TOLD: &str = "(SELECT system_identifier FROM pg_control_system()), \
    CASE WHEN NOT pg_is_in_recovery() THEN \
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END";

impl Place {
    /// Asks the server.
    pub(crate) async fn ask(conn: &mut PgConnection) -> sqlx::Result<Self> {
        // The simple protocol: one message, which a pooler does not take apart.
        let full = format!("SELECT {FACTS}, {TOLD}");
        match conn
            .fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(full)))
            .await
        {
            Ok(row) => Self::read(&row, (row.try_get(2)?, row.try_get(3)?)),
            // A server that keeps its WAL to itself refuses the functions, not the connection.
            Err(sqlx::Error::Database(_)) => {
                let bare = format!("SELECT {FACTS}");
                let row = conn
                    .fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(bare)))
                    .await?;
                Self::read(&row, (None, None))
            }
            Err(error) => Err(error),
        }
    }

    fn read(
        row: &sqlx::postgres::PgRow,
        (system, timeline): (Option<i64>, Option<i32>),
    ) -> sqlx::Result<Self> {
        Ok(Self {
            system,
            timeline,
            started_at: row.try_get(0)?,
            read_only: row.try_get(1)?,
        })
    }

    /// What it means to arrive here for a process that has worked at `known`.
    pub(crate) fn after(&self, known: Option<&Self>) -> Arrival {
        if self.read_only {
            return Arrival::Refused(
                "it is a standby or read-only; point database_url at the primary, or promote this \
                 one if the primary is gone for good"
                    .to_owned(),
            );
        }
        let Some(known) = known else {
            return Arrival::Same;
        };
        if let (Some(here), Some(there)) = (self.system, known.system)
            && here != there
        {
            return Arrival::Refused(format!(
                "it is another system ({here}) than the one that this process has worked on \
                 ({there}); correct database_url, or restart certmill if the data was moved there \
                 on purpose"
            ));
        }
        match (self.timeline, known.timeline) {
            (Some(here), Some(there)) if here < there => Arrival::Refused(format!(
                "it is on timeline {here}, and this process has worked on timeline {there}: it is \
                 an old primary that was not stopped; stop it, and point database_url at the one \
                 that was promoted"
            )),
            (here, there) if here != there || self.started_at != known.started_at => Arrival::Moved,
            _ => Arrival::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place(system: i64, timeline: i32, started_s: i64) -> Place {
        Place {
            system: Some(system),
            timeline: Some(timeline),
            started_at: OffsetDateTime::from_unix_timestamp(started_s).unwrap(),
            read_only: false,
        }
    }

    fn refusal(arrival: Arrival) -> String {
        match arrival {
            Arrival::Refused(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_place_is_taken_as_it_is_unless_it_takes_no_writes() {
        let here = place(1, 1, 10);
        assert_eq!(here.after(None), Arrival::Same);
        let standby = Place {
            read_only: true,
            timeline: None,
            ..here
        };
        assert!(refusal(standby.after(None)).contains("standby"));
        assert!(refusal(standby.after(Some(&here))).contains("standby"));
    }

    #[test]
    fn a_restart_and_a_promotion_are_looked_at() {
        let known = place(1, 1, 10);
        assert_eq!(place(1, 1, 10).after(Some(&known)), Arrival::Same);
        assert_eq!(place(1, 1, 11).after(Some(&known)), Arrival::Moved);
        assert_eq!(place(1, 2, 10).after(Some(&known)), Arrival::Moved);
    }

    #[test]
    fn an_old_primary_and_another_system_are_refused_by_both_names() {
        let known = place(1, 3, 10);
        let words = refusal(place(1, 2, 20).after(Some(&known)));
        assert!(
            words.contains("timeline 2") && words.contains("timeline 3"),
            "{words}"
        );
        let words = refusal(place(7, 3, 10).after(Some(&known)));
        assert!(words.contains("(7)") && words.contains("(1)"), "{words}");
    }

    #[test]
    fn a_server_that_does_not_tell_is_known_by_its_start() {
        let silent = |started_s| Place {
            system: None,
            timeline: None,
            ..place(0, 0, started_s)
        };
        assert_eq!(silent(10).after(Some(&silent(10))), Arrival::Same);
        assert_eq!(silent(11).after(Some(&silent(10))), Arrival::Moved);
    }
}
