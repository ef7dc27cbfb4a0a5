//! One rival with its program and its database.
//!
//! Invariant: the program speaks the protocol of `loadtest/peers/README.md`; what is asked of its
//! tables stands in its `peer.sql`.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test looks into the rivals' databases"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use certmill_pg::embedded::Login;
use certmill_pg::{ConnectOptions, Pool, connect};

use super::Rival;
use crate::page;
use crate::rig::{Child, Rig, private_file};

const SETUP_WITHIN: Duration = Duration::from_secs(60);
const ENQUEUE_WITHIN: Duration = Duration::from_secs(120);
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a worker is tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Many jobs.
    Drain,
    /// Few jobs, soon.
    Latency,
}

impl Profile {
    fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Latency => "latency",
        }
    }
}

/// A rival that can be measured.
pub struct Room {
    /// Who it is.
    pub rival: &'static Rival,
    /// Its database.
    pub database: String,
    program: PathBuf,
    filler: PathBuf,
    login: PathBuf,
    pool: Pool,
}

impl Room {
    /// Makes the database, lets the rival make its tables, and learns what to ask of them.
    ///
    /// # Errors
    /// The database's, or the rival's own.
    pub(super) async fn open(
        rig: &Rig,
        rival: &'static Rival,
        program: PathBuf,
        filler: PathBuf,
    ) -> Result<Self> {
        // Two rivals differ by nothing but this character.
        let name = rival.name.replace('_', "__").replace('-', "_");
        let database = format!("peer_{name}");
        let owner = Login::Owner.user();
        let make = format!("CREATE DATABASE {database} OWNER {owner}");
        sqlx::query(sqlx::AssertSqlSafe(make))
            .execute(rig.database.pool())
            .await?;
        let login = rig.path(&format!("{database}.url"));
        private_file(&login, &rig.login(Login::Owner, &database))?;
        let options = ConnectOptions {
            statement_timeout: Duration::from_secs(300),
            ..ConnectOptions::new("loadtest").max_connections(1)
        };
        let pool = connect(&rig.login(Login::Superuser, &database), options).await?;
        let room = Self {
            rival,
            database,
            program,
            filler,
            login,
            pool,
        };
        let mut setup = room.start(rig, &room.program, "setup", &[])?;
        setup.ended_well(SETUP_WITHIN).await?;
        let folder = page::root().join("loadtest/peers").join(rival.name);
        let sql = std::fs::read_to_string(folder.join("peer.sql"))?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&room.pool)
            .await
            .with_context(|| format!("peer.sql of {}", rival.name))?;
        Ok(room)
    }

    /// Empties its tables.
    ///
    /// # Errors
    /// The database's.
    pub async fn start_over(&self) -> Result<()> {
        sqlx::query("CALL start_over()").execute(&self.pool).await?;
        Ok(())
    }

    /// Fills its table by a client, and leaves it as after a vacuum and a checkpoint.
    ///
    /// # Errors
    /// The database's, or the client's.
    pub async fn fill(&self, rig: &Rig, jobs: usize) -> Result<()> {
        self.start_over().await?;
        let mut filler = self.start(rig, &self.filler, "bulk", &amount(jobs))?;
        filler.ended_well(ENQUEUE_WITHIN).await?;
        let live: i64 = sqlx::query_scalar("SELECT count(*) FROM live")
            .fetch_one(&self.pool)
            .await?;
        ensure!(
            live == i64::try_from(jobs)?,
            "{}: of {jobs} jobs {live} were enqueued",
            self.rival.name
        );
        sqlx::query("VACUUM ANALYZE").execute(&self.pool).await?;
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    /// Enqueues by its own client on one connection, `bulk` or `single`, into empty tables.
    /// Returns jobs a second.
    ///
    /// # Errors
    /// The database's, or the client's.
    pub async fn enqueue(&self, rig: &Rig, verb: &str, jobs: usize) -> Result<f64> {
        self.start_over().await?;
        let mut client = self.start(rig, &self.program, verb, &amount(jobs))?;
        client.ended_well(ENQUEUE_WITHIN).await?;
        let seconds = client.numbers("enqueued", "seconds");
        let seconds = seconds.first().context("it told no time")?;
        Ok(jobs as f64 / seconds)
    }

    /// Starts a worker and waits until it is ready; it tells when `jobs` have run.
    ///
    /// # Errors
    /// It does not start.
    pub async fn worker(&self, rig: &Rig, profile: Profile, jobs: usize) -> Result<Child> {
        let mut args = amount(jobs);
        args.extend(["--profile".to_owned(), profile.word().to_owned()]);
        if profile == Profile::Latency {
            args.push("--tell-starts".to_owned());
        }
        let mut child = self.start(rig, &self.program, "work", &args)?;
        child.logged("ready", READY_WITHIN).await?;
        Ok(child)
    }

    /// Enqueues at a steady rate by its own client.
    ///
    /// # Errors
    /// The client's.
    pub async fn pace(&self, rig: &Rig, jobs: usize, per_second: usize) -> Result<()> {
        let mut args = amount(jobs);
        args.extend(["--rate".to_owned(), per_second.to_string()]);
        let mut client = self.start(rig, &self.program, "pace", &args)?;
        client.ended_well(ENQUEUE_WITHIN).await
    }

    /// Waits until no job is live.
    ///
    /// # Errors
    /// Some are when the time is over.
    pub async fn drained(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let live: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM live)")
                .fetch_one(&self.pool)
                .await?;
            if !live {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{}: jobs are left after {within:?}", self.rival.name);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn start(&self, rig: &Rig, program: &Path, verb: &str, more: &[String]) -> Result<Child> {
        let name = format!("{} {verb}", self.rival.name);
        let mut args = vec![verb.to_owned(), "--dsn-file".to_owned()];
        args.push(self.login.display().to_string());
        args.extend(more.iter().cloned());
        let log = rig.path(&format!("{}-{verb}.log", self.rival.name));
        Child::start(&name, program, &args, &[], &log)
    }
}

fn amount(jobs: usize) -> Vec<String> {
    vec!["--jobs".to_owned(), jobs.to_string()]
}
