//! Makes the roles and the database of the embedded server.
//!
//! Invariant: doing it again changes nothing but passwords, which follow their files.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use secrecy::ExposeSecret;
use sqlx::{Executor as _, PgConnection};

use super::secrets::Passwords;
use super::{DATABASE, Login};
use crate::Result;

/// Makes what is missing, as the superuser.
pub(super) async fn ensure(conn: &mut PgConnection, passwords: &Passwords) -> Result<()> {
    for (setting, login) in [
        ("certmill.owner", Login::Owner),
        ("certmill.app", Login::App),
    ] {
        sqlx::query("SELECT set_config($1, $2, false)")
            .bind(setting)
            .bind(passwords.of(login).expose_secret())
            .execute(&mut *conn)
            .await?;
    }
    conn.execute(include_str!("roles.sql")).await?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut *conn)
            .await?;
    if !there {
        conn.execute("CREATE DATABASE certmill OWNER certmill_owner")
            .await?;
    }
    conn.execute("REVOKE ALL ON DATABASE certmill FROM PUBLIC")
        .await?;
    conn.execute("GRANT CONNECT ON DATABASE certmill TO certmill_app")
        .await?;
    Ok(())
}
