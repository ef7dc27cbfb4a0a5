//! Whether this replica serves: its certificate, the database, the schema, no shutdown.
//!
//! Invariant: ready is said only while all of them hold; the database is asked at most twice a
//! second, however often the question comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certmill_pg::{Pool, SchemaState, schema_state};
use certmill_tasks::Shutdown;
use certmill_wire::Check;
use tokio::sync::Mutex;

const FRESH: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(2);

/// What [`Readiness::checks`] looks at.
pub(crate) struct Readiness {
    pool: Pool,
    shutdown: Shutdown,
    has_certificate: AtomicBool,
    database: Mutex<Option<(Instant, Vec<Check>)>>,
}

impl Readiness {
    pub(crate) fn new(pool: Pool, shutdown: Shutdown) -> Self {
        Self {
            pool,
            shutdown,
            has_certificate: AtomicBool::new(false),
            database: Mutex::new(None),
        }
    }

    /// Notes that clients see the certificate that is meant for them.
    pub(crate) fn certificate_is_in_place(&self) {
        self.has_certificate.store(true, Ordering::Release);
    }

    /// Whether clients see the certificate that is meant for them.
    pub(crate) fn has_certificate(&self) -> bool {
        self.has_certificate.load(Ordering::Acquire)
    }

    /// All conditions.
    pub(crate) async fn checks(&self) -> Vec<Check> {
        let certificate = "its own certificate is not issued yet; a worker that signs must run";
        let mut checks = vec![
            check(
                "tls",
                (!self.has_certificate()).then(|| certificate.to_owned()),
            ),
            check(
                "shutdown",
                self.shutdown
                    .is_requested()
                    .then(|| "it is shutting down".to_owned()),
            ),
        ];
        let mut known = self.database.lock().await;
        let database = match known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            Some((_, database)) => database.clone(),
            None => {
                let database = self.look().await;
                *known = Some((Instant::now(), database.clone()));
                database
            }
        };
        checks.extend(database);
        checks
    }

    async fn look(&self) -> Vec<Check> {
        match tokio::time::timeout(PATIENCE, schema_state(&self.pool)).await {
            Ok(Ok(state)) => vec![
                check("database", None),
                check("schema", schema_fault(state)),
            ],
            Ok(Err(error)) => {
                tracing::warn!(event = "database_unavailable", %error);
                vec![check(
                    "database",
                    Some("the database does not answer".to_owned()),
                )]
            }
            Err(_) => vec![check(
                "database",
                Some("the database did not answer within 2 s".to_owned()),
            )],
        }
    }
}

/// Without numbers, since this answer needs no key; the log has them.
fn schema_fault(state: SchemaState) -> Option<String> {
    let error = state.require_fit().err()?;
    tracing::warn!(event = "schema_unfit", %error);
    let words = match state {
        SchemaState::Newer { .. } => {
            "the database was migrated by a newer certmill that does not take this build; run that one"
        }
        _ => "the database's schema does not fit this build; run `certmill migrate`",
    };
    Some(words.to_owned())
}

fn check(name: &str, fault: Option<String>) -> Check {
    Check {
        name: name.to_owned(),
        ok: fault.is_none(),
        detail: fault,
    }
}
