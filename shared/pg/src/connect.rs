//! Opens pools and single connections for one role of certmill.
//!
//! Invariant: each connection carries its role's name and its limits, and says in words why it could not
//! be opened.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::address::{self, TlsRule};
use crate::history::History;
use crate::{Error, Pool, Result, login, server};

/// A connection that was used so recently is handed out unasked: giving it back proved it alive.
pub(crate) const PROVED_FOR: Duration = Duration::from_secs(1);

/// First version that knows `transaction_timeout`.
const TRANSACTION_TIMEOUT_SINCE: u32 = 17;

/// How statements are planned: once a connection, for whatever they are asked with and for every
/// size that a table will have. Left to itself, the server plans a statement anew for each short
/// list of ids, which costs more than to run it; and a plan that was made while a table was small,
/// above all by the checks of foreign keys, would go on to scan it from end to end when it has
/// grown. The price of a forbidden scan, where there is no other way, must not start the compiler. Nor
/// may a large table start processes for one page of it: they cost more than the page.
pub const PLANNING: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

/// A start-up option that nobody sets elsewhere: where it arrives, the others do as well.
pub(crate) const MARK: (&str, &str) = ("certmill.options", "arrived");

/// How to connect. Start from [`ConnectOptions::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Role word, shown by the server as `certmill-<role>`.
    pub role: String,
    /// Most connections that this pool opens.
    pub max_connections: u32,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// Longest run of one statement; zero = no limit.
    pub statement_timeout: Duration,
    /// Longest wait for a lock; zero = no limit.
    pub lock_timeout: Duration,
    /// Longest idle time inside a transaction; zero = no limit.
    pub idle_in_transaction_timeout: Duration,
    /// Longest transaction, on servers that can limit it (17 and newer); zero = no limit.
    pub transaction_timeout: Duration,
    /// What protection a connection to another machine needs.
    pub tls: TlsRule,
    /// True behind a transaction-mode pooler: no start-up options (the pooler refuses them; set
    /// the limits and how statements are planned with `ALTER ROLE`). It must carry prepared
    /// statements, since each statement is one.
    pub pooler: bool,
    /// True for whoever works here: only a primary will do, and never one that lacks what this
    /// process has seen before. See [`History`].
    pub with_history: bool,
}

impl ConnectOptions {
    /// The limits that every role of certmill runs with: 10 connections, statement 15 s,
    /// lock 5 s, idle in transaction 5 s, transaction 30 s, free connection 10 s.
    pub fn new(role: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(30),
            tls: TlsRule::default(),
            pooler: false,
            with_history: false,
        }
    }

    /// Same, with another number of connections.
    #[must_use]
    pub fn max_connections(mut self, n: u32) -> Self {
        self.max_connections = n;
        self
    }

    /// What every connection is opened with, by the names of the server's settings. A pooler passes
    /// none of it on: set it for the login with `ALTER ROLE` there.
    #[must_use]
    pub fn settings(&self, server_major: u32) -> Vec<(&'static str, String)> {
        let mut limits = vec![
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout,
            ),
        ];
        if server_major >= TRANSACTION_TIMEOUT_SINCE {
            limits.push(("transaction_timeout", self.transaction_timeout));
        }
        let planning = PLANNING.map(|(setting, value)| (setting, value.to_owned()));
        let limits = limits
            .into_iter()
            .map(|(setting, limit)| (setting, format!("{}ms", limit.as_millis())));
        planning.into_iter().chain(limits).collect()
    }

    fn apply(&self, options: PgConnectOptions, server_major: u32) -> PgConnectOptions {
        let options = options.application_name(&format!("certmill-{}", self.role));
        if self.pooler {
            return options;
        }
        options.options([MARK]).options(self.settings(server_major))
    }
}

/// Opens a pool after one connection proved that the server is there, of a known version and
/// willing. Connections are opened as they are needed.
///
/// # Errors
/// [`Error::Url`], [`Error::Tls`], [`Error::Server`] (too old), [`Error::Unavailable`]
/// (retry later), [`Error::Refused`] (wrong password, no such database).
pub async fn connect(url: &SecretString, options: ConnectOptions) -> Result<Pool> {
    let (with_limits, mut probe) = prepare(url, &options).await?;
    let plain = pool_options(&options);
    if !options.with_history {
        probe.close().await.ok();
        return Ok(plain.connect_lazy_with(with_limits).into());
    }
    let history = Arc::new(History::default());
    history.arrive(&mut probe).await?;
    probe.close().await.ok();
    let pool = with_arrivals(plain, history.clone()).connect_lazy_with(with_limits);
    Ok(Pool::over(pool, Some(history)))
}

/// One connection outside any pool, with the same limits: for LISTEN, beats, and tests.
///
/// # Errors
/// As [`connect`].
pub async fn connect_one(url: &SecretString, options: &ConnectOptions) -> Result<PgConnection> {
    let (with_limits, probe) = prepare(url, options).await?;
    probe.close().await.ok();
    open(&with_limits, options.acquire_timeout).await
}

/// How connections are opened from now on, and the one that told so.
async fn prepare(
    url: &SecretString,
    options: &ConnectOptions,
) -> Result<(PgConnectOptions, PgConnection)> {
    let base = address::parse(url, options.tls)?.statement_cache_capacity(0);
    let named = base.application_name(&format!("certmill-{}", options.role));
    let mut probe = open(&named, options.acquire_timeout).await?;
    let server = server::inspect(&mut probe).await?;
    let with_limits = options.apply(address::parse(url, options.tls)?, server.major);
    Ok((with_limits, probe))
}

/// Opens one connection, in the words of [`login`] where that fails.
pub(crate) async fn open(options: &PgConnectOptions, patience: Duration) -> Result<PgConnection> {
    match tokio::time::timeout(patience, options.connect()).await {
        Ok(Err(sqlx::Error::Io(why))) => Err(Error::Unavailable(login::unreachable(
            &place(options),
            &why,
        ))),
        Ok(Err(sqlx::Error::Tls(why))) => Err(Error::Tls(login::tls(&place(options), &why))),
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Unavailable(format!(
            "{} did not answer within {} s; check the network and the firewall between here and \
             there",
            place(options),
            patience.as_secs()
        ))),
    }
}

/// Where the server is looked for, as people write it.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Each new connection is looked at before anybody gets it, and one that was opened before the last
/// move is not handed out any more.
fn with_arrivals(options: PgPoolOptions, history: Arc<History>) -> PgPoolOptions {
    let before = history.clone();
    options
        .after_connect(move |conn, _| {
            let history = history.clone();
            Box::pin(async move {
                let arrived = history.arrive(conn).await;
                arrived.map_err(|error| sqlx::Error::Protocol(error.to_string()))
            })
        })
        .before_acquire(move |conn, meta| {
            let outlived = before.outlived_by(meta.age);
            Box::pin(async move { Ok(!outlived && proved(conn, meta).await?) })
        })
}

fn pool_options(options: &ConnectOptions) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1800))
        .test_before_acquire(false)
        .before_acquire(|conn, meta| Box::pin(proved(conn, meta)))
}

/// Whether a connection may be handed on; one that fails here is replaced.
async fn proved(conn: &mut PgConnection, meta: PoolConnectionMetadata) -> sqlx::Result<bool> {
    if meta.idle_for >= PROVED_FOR {
        conn.ping().await?;
    }
    Ok(true)
}
