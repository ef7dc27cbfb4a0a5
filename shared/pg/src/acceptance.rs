//! Which builds may run on which schema.
//!
//! Invariant: a build is named by the newest migration that it knows. Each migration since
//! [`FIRST`] writes into `schema_acceptance` the oldest build that goes on running on it, in its
//! own transaction; where one says nothing, only builds that know it are accepted.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::PgConnection;

use crate::Result;

/// The first migration that says which builds it takes.
const FIRST: i64 = 17;

/// How a migration says it, on a line of its own.
const SAYS: &str = "INSERT INTO schema_acceptance (version, builds_from) VALUES (";

/// A process that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningBuild {
    /// The name that people gave it.
    pub label: String,
    /// api, worker, scheduler, up.
    pub role: String,
    /// The version of its build.
    pub version: String,
    /// The newest migration that it knows; none for a build that does not tell.
    pub known: Option<i64>,
}

impl RunningBuild {
    /// Whether it goes on after a migration that takes builds from `builds_from`.
    fn goes_on(&self, builds_from: i64) -> bool {
        // Whoever does not tell was built before the first migration that asks.
        self.known.unwrap_or(FIRST - 1) >= builds_from
    }
}

impl std::fmt::Display for RunningBuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { label, role, .. } = self;
        match self.known {
            Some(known) => write!(f, "{label} ({role}, knows {known})"),
            None => write!(f, "{label} ({role}, does not tell what it knows)"),
        }
    }
}

/// The oldest build that a migration's text takes; none where it says nothing, or nothing clear.
pub(crate) fn builds_from(sql: &str) -> Option<i64> {
    let mut said = sql.lines().filter_map(|line| line.strip_prefix(SAYS));
    let only = said.next().filter(|_| said.next().is_none())?;
    let (_, builds_from) = only.strip_suffix(");")?.split_once(", ")?;
    builds_from.parse().ok()
}

/// What a database of later migrations says to a build that knows up to `known`: each of them takes
/// it, or the newest build that one of them asks for (none where one says nothing).
pub(crate) fn accepts(
    known: i64,
    later: impl IntoIterator<Item = Option<i64>>,
) -> std::result::Result<(), Option<i64>> {
    let asked: Option<Vec<i64>> = later.into_iter().collect();
    match asked.map(|asked| asked.into_iter().max().unwrap_or_default()) {
        Some(builds_from) if builds_from <= known => Ok(()),
        asked => Err(asked),
    }
}

/// Who could not go on after migrations that take builds from `builds_from`.
pub(crate) fn left_behind(
    running: Vec<RunningBuild>,
    builds_from: Option<i64>,
) -> Vec<RunningBuild> {
    let stays = |one: &RunningBuild| builds_from.is_none_or(|from| one.goes_on(from));
    running.into_iter().filter(|one| !stays(one)).collect()
}

/// The processes that live, by their own word; none in a database without processes.
pub(crate) async fn running(conn: &mut PgConnection) -> Result<Vec<RunningBuild>> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('process') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await?;
    if !there {
        return Ok(Vec::new());
    }
    // By way of JSON, since the column is younger than the table.
    let sql = "SELECT label, role, version, (to_jsonb(p) ->> 'schema_known')::bigint \
               FROM process p WHERE dead_at IS NULL AND expires_at > clock_timestamp() \
               ORDER BY label, id";
    let rows: Vec<(String, String, String, Option<i64>)> =
        sqlx::query_as(sql).fetch_all(conn).await?;
    let read = |(label, role, version, known)| RunningBuild {
        label,
        role,
        version,
        known,
    };
    Ok(rows.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(known: Option<i64>) -> RunningBuild {
        RunningBuild {
            label: "worker-1".to_owned(),
            role: "worker".to_owned(),
            version: "0.1.0".to_owned(),
            known,
        }
    }

    #[test]
    fn every_migration_says_which_builds_it_takes() {
        for migration in crate::migrator::MIGRATIONS.iter() {
            let (version, said) = (migration.version, builds_from(migration.sql.as_str()));
            if version < FIRST {
                assert_eq!(said, None, "{version}");
                continue;
            }
            let from = said.unwrap_or_else(|| {
                panic!("migration {version} needs one line `{SAYS}{version}, NNNN);`: the oldest build that runs on it")
            });
            assert!(from >= FIRST - 1 && from <= version, "{version}: {from}");
            let own = format!("{SAYS}{version}, ");
            assert!(
                migration.sql.as_str().contains(&own),
                "{version}: another's number"
            );
        }
    }

    #[test]
    fn what_is_not_clear_is_not_said() {
        let one = format!("CREATE TABLE t ();\n{SAYS}19, 17);\n");
        assert_eq!(builds_from(&one), Some(17));
        for sql in [
            format!("-- {SAYS}19, 17);"),
            format!("{SAYS}19, 17);\n{SAYS}19, 16);"),
            format!("{SAYS}19, x);"),
            "SELECT 1;".to_owned(),
        ] {
            assert_eq!(builds_from(&sql), None, "{sql}");
        }
    }

    #[test]
    fn every_later_migration_must_take_the_build() {
        assert_eq!(accepts(18, [Some(17), Some(18)]), Ok(()));
        assert_eq!(accepts(18, [Some(20), Some(18)]), Err(Some(20)));
        assert_eq!(accepts(18, [Some(18), None]), Err(None));
    }

    #[test]
    fn who_does_not_tell_counts_as_the_build_before_the_first_that_asks() {
        let all = || vec![running(None), running(Some(18)), running(Some(FIRST - 1))];
        assert_eq!(left_behind(all(), None), []);
        assert_eq!(left_behind(all(), Some(FIRST - 1)), []);
        assert_eq!(
            left_behind(all(), Some(18)),
            [running(None), running(Some(FIRST - 1))]
        );
    }
}
