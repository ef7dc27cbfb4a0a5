//! A database of its own for each test.
//!
//! Invariant: pools belong to the runtime of the test that made them; databases are never shared.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use certmill_pg::embedded::{Embedded, Login};
use certmill_pg::{ConnectOptions, Pool, connect, connect_one};
use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{reaper, server};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A fresh database on the test process's Postgres; dropped some time after this value is.
#[derive(Debug)]
pub struct TestDb {
    server: &'static Embedded,
    name: String,
    app: Pool,
    owner: Pool,
}

impl TestDb {
    /// A database with all migrations.
    ///
    /// # Panics
    /// When Postgres cannot be started, with the reason: a test cannot go on without it.
    pub async fn new() -> Self {
        Self::create(Some(server::TEMPLATE)).await
    }

    /// A database without a schema, for tests of the migrator.
    ///
    /// # Panics
    /// As [`TestDb::new`].
    pub async fn empty() -> Self {
        Self::create(None).await
    }

    #[allow(
        clippy::panic,
        reason = "only tests call this; they want the reason, not a Result"
    )]
    async fn create(template: Option<&str>) -> Self {
        match Self::try_create(template).await {
            Ok(db) => db,
            Err(error) => panic!("no test database: {error:#}"),
        }
    }

    async fn try_create(template: Option<&str>) -> Result<Self> {
        let server = server::shared().await?;
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let template = template.map_or(String::new(), |t| format!(" TEMPLATE {t}"));
        let statement = format!("CREATE DATABASE {name} OWNER certmill_owner{template}");
        server::create_database(server, &statement).await?;
        let options = || ConnectOptions::new("test").max_connections(8);
        let app = connect(&server.url(Login::App, &name), options()).await?;
        let owner = connect(&server.url(Login::Owner, &name), options()).await?;
        Ok(Self {
            server,
            name,
            app,
            owner,
        })
    }

    /// Pool as `certmill_app`, as the roles run.
    pub fn app(&self) -> &Pool {
        &self.app
    }

    /// Pool as `certmill_owner`, as migrations run.
    pub fn owner(&self) -> &Pool {
        &self.owner
    }

    /// Connection string of the application's user.
    pub fn app_url(&self) -> SecretString {
        self.server.url(Login::App, &self.name)
    }

    /// Connection string of the owner.
    pub fn owner_url(&self) -> SecretString {
        self.server.url(Login::Owner, &self.name)
    }

    /// Connection string of the superuser, to this database.
    pub fn superuser_url(&self) -> SecretString {
        self.server.url(Login::Superuser, &self.name)
    }

    /// One connection of its own as the application's user, without time limits: for forced
    /// interleavings, where a session waits for another on purpose.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn session(&self) -> PgConnection {
        self.session_as(Login::App).await
    }

    /// As [`TestDb::session`], as the owner.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn owner_session(&self) -> PgConnection {
        self.session_as(Login::Owner).await
    }

    #[allow(
        clippy::panic,
        reason = "only tests call this; they want the reason, not a Result"
    )]
    async fn session_as(&self, login: Login) -> PgConnection {
        let none = std::time::Duration::ZERO;
        let options = ConnectOptions {
            statement_timeout: none,
            lock_timeout: none,
            idle_in_transaction_timeout: none,
            transaction_timeout: none,
            ..ConnectOptions::new("test-session")
        };
        match connect_one(&self.server.url(login, &self.name), &options).await {
            Ok(conn) => conn,
            Err(error) => panic!("no session on the test database: {error}"),
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        reaper::hand_over(self.server.superuser_url(), self.name.clone());
    }
}
