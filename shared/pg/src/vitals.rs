//! What a server, a login and its neighbours look like to whoever examines them.
//!
//! Invariant: reads only, and only what any login may read; the judgement is the caller's.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use sqlx::types::time::OffsetDateTime;

use crate::{Pool, Result};

/// The server's own settings, as they count for our sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVitals {
    /// Major version, e.g. 17.
    pub major: u32,
    /// True when it refuses writes: a standby, or `default_transaction_read_only`.
    pub read_only: bool,
    /// Whether commits reach the disk.
    pub fsync: bool,
    /// Whether pages survive a torn write.
    pub full_page_writes: bool,
    /// `on`, `off`, `local`, `remote_write` or `remote_apply`.
    pub synchronous_commit: String,
    /// Connections that the server takes at most.
    pub max_connections: u32,
    /// Those of them that it keeps for superusers and the like.
    pub reserved: u32,
}

/// Reads the server's settings.
///
/// # Errors
/// As any query.
pub async fn server(pool: &Pool) -> Result<ServerVitals> {
    let row: (i32, bool, bool, bool, String, i32, i32) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, \
                pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, \
                current_setting('fsync')::bool, current_setting('full_page_writes')::bool, \
                current_setting('synchronous_commit'), \
                current_setting('max_connections')::int, \
                current_setting('superuser_reserved_connections')::int \
                + coalesce(current_setting('reserved_connections', true)::int, 0)",
    )
    .fetch_one(pool)
    .await?;
    Ok(ServerVitals {
        major: u32::try_from(row.0 / 10_000).unwrap_or_default(),
        read_only: row.1,
        fsync: row.2,
        full_page_writes: row.3,
        synchronous_commit: row.4,
        max_connections: u32::try_from(row.5).unwrap_or_default(),
        reserved: u32::try_from(row.6).unwrap_or_default(),
    })
}

/// What the pool's login may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRights {
    /// Its name.
    pub name: String,
    /// It may do everything.
    pub superuser: bool,
    /// Attributes of the role that certmill needs nowhere: `CREATEDB`, `CREATEROLE` ..
    pub attributes: Vec<String>,
    /// It may change the schema: it owns tables, or may create some.
    pub changes_schema: bool,
    /// Rights on tables that it lacks: `INSERT on job`.
    pub lacks: Vec<String>,
    /// Rights on tables that only the owner needs: `DELETE on audit`.
    pub exceeds: Vec<String>,
}

/// Reads the login's rights; tables that this schema does not have are passed over.
///
/// # Errors
/// As any query.
pub async fn role(pool: &Pool) -> Result<RoleRights> {
    let row: (String, bool, Vec<String>, bool, Vec<String>, Vec<String>) =
        sqlx::query_as(include_str!("sql/role_rights.sql"))
            .fetch_one(pool)
            .await?;
    Ok(RoleRights {
        name: row.0,
        superuser: row.1,
        attributes: row.2,
        changes_schema: row.3,
        lacks: row.4,
        exceeds: row.5,
    })
}

/// The server's clock.
///
/// # Errors
/// As any query.
pub async fn clock(pool: &Pool) -> Result<OffsetDateTime> {
    Ok(sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(pool)
        .await?)
}
