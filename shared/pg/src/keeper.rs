//! Keeps a running process from hammering a database that refuses its password, and lets it in
//! again once the right secret is there.
//!
//! Invariant: while the password is refused, one login is tried every five seconds for the whole
//! process; everybody else who asks the pool is turned away without a word to the server.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::address::{self, TlsRule};
use crate::login::{self, Refusal};
use crate::{Error, Pool, Result};

/// Between two tries with a password that was refused.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// How often a lasting refusal is logged: each that many tries.
const LOG_EVERY: u32 = 12;

/// A socket that is nowhere: whoever connects there is turned away on this machine.
const CLOSED_DOOR: &str = "/proc/certmill-password-refused";

/// Answers the connection string as it stands now, read anew where it comes from a file.
pub type UrlSource = Arc<dyn Fn() -> Result<SecretString> + Send + Sync>;

/// Watches over the login of one pool.
pub struct LoginKeeper {
    pool: Pool,
    source: UrlSource,
    tls: TlsRule,
    /// Everything but user, password and place, as the pool was opened.
    opened_with: PgConnectOptions,
}

impl LoginKeeper {
    /// For a pool whose connection string `source` answers.
    pub fn new(pool: Pool, source: UrlSource, tls: TlsRule) -> Self {
        let opened_with = (*pool.connect_options()).clone();
        Self {
            pool,
            source,
            tls,
            opened_with,
        }
    }

    /// Waits for refusals and settles them, for ever; drop it to end it.
    pub async fn keep(self) {
        loop {
            login::refused_somewhere().await;
            self.settle().await;
        }
    }

    async fn settle(&self) {
        let mut tries = 0_u32;
        loop {
            match self.try_login().await {
                Ok(options) => {
                    login::door_opens();
                    self.pool.set_connect_options(options);
                    if tries > 0 {
                        tracing::info!(event = "login_accepted", "the database lets us in again");
                    }
                    return;
                }
                Err(Error::Login(refusal)) => {
                    self.close_door(&refusal);
                    if tries.is_multiple_of(LOG_EVERY) {
                        tracing::error!(
                            event = "login_refused",
                            sqlstate = refusal.sqlstate,
                            "{refusal}"
                        );
                    }
                }
                // Not about the password: the pool itself finds out when that is over.
                Err(error) if tries == 0 => {
                    tracing::debug!(%error, "the login cannot be tried now");
                    return;
                }
                Err(error) => tracing::warn!(event = "login_untried", %error),
            }
            tries = tries.saturating_add(1);
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn try_login(&self) -> Result<PgConnectOptions> {
        let url = (self.source)()?;
        let read = address::parse(&url, self.tls)?;
        let options = self.with_login_of(read);
        let conn = tokio::time::timeout(BETWEEN_TRIES, options.connect())
            .await
            .map_err(|_| Error::Unavailable("no answer to a login within 5 s".to_owned()))??;
        conn.close().await.ok();
        Ok(options)
    }

    /// Limits and name were given as start-up options, which a connection string does not repeat.
    fn with_login_of(&self, read: PgConnectOptions) -> PgConnectOptions {
        let name = self
            .opened_with
            .get_application_name()
            .unwrap_or("certmill");
        let read = read.application_name(name);
        match self.opened_with.get_options() {
            Some(options) => {
                let pairs = options
                    .split("-c ")
                    .filter_map(|pair| pair.trim().split_once('='));
                read.options(pairs)
            }
            None => read,
        }
    }

    fn close_door(&self, refusal: &Refusal) {
        login::door_closes(refusal.clone());
        self.pool
            .set_connect_options(PgConnectOptions::new_without_pgpass().socket(CLOSED_DOOR));
    }
}
