//! What is examined: settings, and the database as far as it can be reached.
//!
//! Invariant: the database is asked through a pool of two connections without start-up options,
//! which works behind any pooler.

use std::time::Duration;

use certmill_pg::{ConnectOptions, HorizonLimits, Pool, TlsRule, connect, embedded};
use certmill_settings::{Secret, Settings};

/// Longest wait for an answer of the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer put together from several statements; which one failed is told by another check.
pub(crate) type Answered<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The database as it was found.
pub enum Database {
    /// It answers.
    Reached {
        /// Where it is.
        url: Secret,
        /// The way there.
        pool: Pool,
    },
    /// It does not.
    Refused(certmill_pg::Error),
    /// None is named, and no embedded one runs.
    Unknown,
}

/// What is examined.
pub struct Patient {
    /// The settings of the role that would run here.
    pub settings: Settings,
    /// Its database.
    pub database: Database,
    /// From when on a held snapshot is told.
    pub horizon_limits: HorizonLimits,
}

impl Patient {
    /// Reaches for the database of these settings: the named one, or the one of a running `up`.
    pub async fn admit(settings: Settings) -> Self {
        let url = match settings.database.url.clone() {
            Some(url) => Ok(Some(url)),
            None => embedded::running_app_url(&settings.data_dir),
        };
        let database = match url {
            Err(error) => Database::Refused(error),
            Ok(None) => Database::Unknown,
            Ok(Some(url)) => {
                let options = ConnectOptions {
                    acquire_timeout: PATIENCE,
                    tls: settings.database.tls.into(),
                    pooler: true,
                    ..ConnectOptions::new("doctor").max_connections(2)
                };
                match connect(&url, options).await {
                    Ok(pool) => Database::Reached { url, pool },
                    Err(error) => Database::Refused(error),
                }
            }
        };
        Self {
            settings,
            database,
            horizon_limits: HorizonLimits::default(),
        }
    }

    /// The way to the database, if it answers.
    #[must_use]
    pub fn pool(&self) -> Option<&Pool> {
        match &self.database {
            Database::Reached { pool, .. } => Some(pool),
            _ => None,
        }
    }

    /// What the database answers to this question; `None` if it could not be asked, or failed.
    pub async fn ask<'a, T, E, Asking>(
        &'a self,
        question: impl FnOnce(&'a Pool) -> Asking,
    ) -> Option<T>
    where
        Asking: Future<Output = Result<T, E>>,
    {
        question(self.pool()?).await.ok()
    }

    /// What protection a connection needs.
    #[must_use]
    pub fn tls(&self) -> TlsRule {
        self.settings.database.tls.into()
    }
}
