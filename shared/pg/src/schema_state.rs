//! How the database's schema stands to this build; roles start, and say that they are ready, by it.
//!
//! Invariant: what this build does not know is fit only where each later migration says so.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::PgConnection;

use crate::acceptance::{self, builds_from};
use crate::migrator::{MIGRATIONS, TABLE, known_range, newest_migration};
use crate::{Error, Pool, Result};

/// How the database's schema stands to this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// No migration has run here.
    Empty,
    /// Migrations are missing: run `certmill migrate`.
    Behind {
        /// Version of the database.
        at: i64,
        /// Newest version of this build.
        known: i64,
    },
    /// Exactly what this build knows.
    Equal,
    /// A newer certmill migrated it, and says that this build may go on.
    Accepted {
        /// Version of the database.
        at: i64,
        /// Newest version of this build.
        known: i64,
    },
    /// A newer certmill migrated it: use that one.
    Newer {
        /// Version of the database.
        at: i64,
        /// Newest version of this build.
        known: i64,
        /// The oldest build that it takes, by its newest migration; none where it does not say.
        builds_from: Option<i64>,
    },
    /// A migration below the database's version has no row.
    Gap {
        /// The migration.
        version: i64,
        /// Version of the database.
        at: i64,
    },
    /// A migration without a transaction was cut short.
    Dirty {
        /// The migration.
        version: i64,
    },
    /// A migration that has run differs from the one in this build.
    Changed {
        /// The migration.
        version: i64,
    },
}

impl SchemaState {
    /// Whether this build may work on it.
    #[must_use]
    pub fn is_fit(self) -> bool {
        matches!(self, Self::Equal | Self::Accepted { .. })
    }

    /// The start-up check of roles: the schema is this build's, or a newer one that accepts it.
    ///
    /// # Errors
    /// [`Error::Schema`] that says where the database is and what to run.
    pub fn require_fit(self) -> Result<()> {
        if self.is_fit() {
            return Ok(());
        }
        Err(Error::Schema(self.words()))
    }

    /// What it means and what to run.
    #[must_use]
    pub fn words(self) -> String {
        let known = known_range();
        match self {
            Self::Empty => "the database has no certmill schema; run `certmill migrate`".to_owned(),
            Self::Behind { at, .. } => format!(
                "the database is at {at}, this build needs {}; run `certmill migrate` of this build",
                known.end()
            ),
            Self::Equal => "the database and this build agree".to_owned(),
            Self::Accepted { at, .. } => format!(
                "the database is at {at}, and says that this build, which knows {}..{}, may run on it",
                known.start(),
                known.end()
            ),
            Self::Newer {
                at, builds_from, ..
            } => {
                let takes = match builds_from {
                    Some(oldest) => format!("takes builds that know {oldest} or more"),
                    None => "does not say that older builds may run on it".to_owned(),
                };
                format!(
                    "the database is at {at}, this build knows {}..{}; run the newer certmill that \
                     migrated it: that schema {takes}, and is never taken back",
                    known.start(),
                    known.end()
                )
            }
            Self::Gap { version, at } => format!(
                "the database is at {at}, but migration {version} is missing; run `certmill \
                 migrate` of this build; where that says that something exists already, put the \
                 row of {version} back into {TABLE} from a backup"
            ),
            Self::Dirty { version } => format!(
                "migration {version} was cut short; look at what it left, finish or undo it, \
                 delete its row from {TABLE}, then run `certmill migrate`"
            ),
            Self::Changed { version } => format!(
                "migration {version} in the database differs from the one in this build; use the \
                 build that migrated it, or an official release"
            ),
        }
    }
}

/// Compares the database with this build. Needs SELECT on sqlx's table, which `migrate` grants.
///
/// # Errors
/// As any query.
pub async fn schema_state(pool: &Pool) -> Result<SchemaState> {
    let mut conn = pool.acquire().await?;
    let rows = applied(&mut conn).await?;
    Ok(rows.as_deref().map_or(SchemaState::Empty, compare))
}

/// A migration that has not run.
pub(crate) struct Missing {
    /// Its number.
    pub(crate) version: i64,
    /// What it is for.
    pub(crate) description: String,
    /// The oldest build that it takes; none for one that does not say.
    pub(crate) builds_from: Option<i64>,
}

/// How the database stands, and the migrations that have not run there.
pub(crate) async fn missing(conn: &mut PgConnection) -> Result<(SchemaState, Vec<Missing>)> {
    let rows = applied(conn).await?;
    let state = rows.as_deref().map_or(SchemaState::Empty, compare);
    let ran = |version| rows.iter().flatten().any(|row| row.version == version);
    let missing = MIGRATIONS.iter().filter(|m| !ran(m.version));
    let shown = missing.map(|m| Missing {
        version: m.version,
        description: m.description.to_string(),
        builds_from: builds_from(m.sql.as_str()),
    });
    Ok((state, shown.collect()))
}

/// A migration that has run, and what the database says of it.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
    builds_from: Option<i64>,
}

/// In their order; none without sqlx's table.
async fn applied(conn: &mut PgConnection) -> Result<Option<Vec<Applied>>> {
    let (ran, says): (bool, bool) = sqlx::query_as(
        "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, to_regclass('schema_acceptance') IS NOT NULL",
    )
    .fetch_one(&mut *conn)
    .await?;
    // One statement, and so one snapshot: a migration is never seen without its word.
    let rows = match (ran, says) {
        (false, _) => return Ok(None),
        (true, false) => sqlx::query_as(
            "SELECT version, success, checksum, NULL::bigint AS builds_from \
             FROM _sqlx_migrations ORDER BY version",
        ),
        (true, true) => sqlx::query_as(
            "SELECT m.version, m.success, m.checksum, a.builds_from FROM _sqlx_migrations m \
             LEFT JOIN schema_acceptance a ON a.version = m.version ORDER BY m.version",
        ),
    };
    Ok(Some(rows.fetch_all(conn).await?))
}

fn compare(rows: &[Applied]) -> SchemaState {
    let known = newest_migration();
    let Some(at) = rows.last().map(|row| row.version) else {
        return SchemaState::Empty;
    };
    if let Some(row) = rows.iter().find(|row| !row.success) {
        return SchemaState::Dirty {
            version: row.version,
        };
    }
    let (ours, later) = rows.split_at(rows.partition_point(|row| row.version <= known));
    let accepted = acceptance::accepts(known, later.iter().map(|row| row.builds_from));
    if let (Err(builds_from), false) = (accepted, later.is_empty()) {
        return SchemaState::Newer {
            at,
            known,
            builds_from,
        };
    }
    for Applied {
        version, checksum, ..
    } in ours
    {
        let same = MIGRATIONS
            .iter()
            .any(|m| m.version == *version && *m.checksum == **checksum);
        if !same {
            return SchemaState::Changed { version: *version };
        }
    }
    let missing = MIGRATIONS
        .iter()
        .map(|m| m.version)
        .find(|version| !ours.iter().any(|row| row.version == *version));
    match missing {
        None if later.is_empty() => SchemaState::Equal,
        None => SchemaState::Accepted { at, known },
        Some(version) if version < at => SchemaState::Gap { version, at },
        Some(_) => SchemaState::Behind { at, known },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Applied> {
        let applied = |m: &sqlx::migrate::Migration| Applied {
            version: m.version,
            success: true,
            checksum: m.checksum.to_vec(),
            builds_from: None,
        };
        MIGRATIONS.iter().map(applied).collect()
    }

    /// As [`rows`], with migrations of later builds that say this.
    fn newer(says: &[Option<i64>]) -> Vec<Applied> {
        let mut rows = rows();
        for (version, builds_from) in (newest_migration() + 1..).zip(says) {
            rows.push(Applied {
                version,
                success: true,
                checksum: Vec::new(),
                builds_from: *builds_from,
            });
        }
        rows
    }

    #[test]
    fn states_are_told_apart() {
        let known = newest_migration();
        assert_eq!(compare(&[]), SchemaState::Empty);
        assert_eq!(compare(&rows()), SchemaState::Equal);
        let mut dirty = rows();
        dirty[0].success = false;
        assert_eq!(
            compare(&dirty),
            SchemaState::Dirty {
                version: dirty[0].version
            }
        );
        let mut behind = rows();
        let last = behind.pop();
        if let (Some(at), Some(_)) = (behind.last().map(|row| row.version), last) {
            assert_eq!(compare(&behind), SchemaState::Behind { at, known });
        }
        let gap = rows().split_off(1);
        assert_eq!(
            compare(&gap),
            SchemaState::Gap {
                version: 1,
                at: known
            }
        );
        let mut changed = rows();
        changed[0].checksum[0] ^= 1;
        assert_eq!(
            compare(&changed),
            SchemaState::Changed {
                version: changed[0].version
            }
        );
    }

    #[test]
    fn a_newer_schema_is_accepted_where_each_later_migration_says_so() {
        let known = newest_migration();
        let refused = |at, builds_from| SchemaState::Newer {
            at,
            known,
            builds_from,
        };
        let two = known + 2;
        for (says, state) in [
            (
                &[Some(known)][..],
                SchemaState::Accepted {
                    at: known + 1,
                    known,
                },
            ),
            (
                &[Some(known), Some(known - 1)],
                SchemaState::Accepted { at: two, known },
            ),
            (
                &[Some(known), Some(known + 1)],
                refused(two, Some(known + 1)),
            ),
            (&[Some(known), None], refused(two, None)),
            (&[None], refused(known + 1, None)),
        ] {
            assert_eq!(compare(&newer(says)), state);
        }
        let mut changed = newer(&[Some(known)]);
        changed[0].checksum[0] ^= 1;
        assert!(!compare(&changed).is_fit());
        let mut cut_short = newer(&[Some(known)]);
        cut_short
            .last_mut()
            .unwrap_or_else(|| panic!("no rows"))
            .success = false;
        assert_eq!(
            compare(&cut_short),
            SchemaState::Dirty { version: known + 1 }
        );
        let gap = newer(&[Some(known)]).split_off(1);
        assert_eq!(
            compare(&gap),
            SchemaState::Gap {
                version: 1,
                at: known + 1
            }
        );
    }

    #[test]
    fn a_refusal_says_where_the_database_is_and_what_to_run() {
        let known = newest_migration();
        for (state, words) in [
            (
                SchemaState::Newer {
                    at: 942,
                    known,
                    builds_from: Some(900),
                },
                format!(
                    "the database is at 942, this build knows 1..{known}; run the newer certmill \
                     that migrated it: that schema takes builds that know 900 or more"
                ),
            ),
            (
                SchemaState::Behind { at: 3, known },
                format!("the database is at 3, this build needs {known}; run `certmill migrate`"),
            ),
            (
                SchemaState::Gap { version: 2, at: 3 },
                "the database is at 3, but migration 2 is missing".to_owned(),
            ),
            (
                SchemaState::Dirty { version: 4 },
                "migration 4 was cut short".to_owned(),
            ),
            (
                SchemaState::Changed { version: 5 },
                "migration 5 in the database differs".to_owned(),
            ),
            (SchemaState::Empty, "run `certmill migrate`".to_owned()),
        ] {
            let told = state.require_fit().map_err(|e| e.to_string());
            assert!(
                told.as_ref().is_err_and(|told| told.contains(&words)),
                "{told:?}"
            );
        }
        assert!(SchemaState::Equal.require_fit().is_ok());
        assert!(
            SchemaState::Accepted { at: 942, known }
                .require_fit()
                .is_ok()
        );
    }
}
