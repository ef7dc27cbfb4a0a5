//! What the clients saw, written by them and by nobody else.
//!
//! Invariant: an operation is `fail` only if the server definitely refused it; whatever may have been
//! carried out is `unknown`.
#![allow(
    clippy::disallowed_methods,
    reason = "the client's own clock stamps its own log, which goes into tables of the harness"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use certmill_domain::ids::{CertificateId, JobId};
use certmill_pg::Pool;
use certmill_wire::client::Error;
use serde::Serialize;
use time::OffsetDateTime;

/// One operation.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    op_id: String,
    op: &'static str,
    name: String,
    outcome: &'static str,
    certificate_id: Option<String>,
    job_id: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    t0: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    t1: OffsetDateTime,
    why: Option<String>,
}

/// Loads what the CA noted, for the checkers.
///
/// # Errors
/// The database's.
pub async fn load_ca_ledger(ledger: &[certmill_rehearsal::Entry], pool: &Pool) -> Result<()> {
    let rows: Vec<serde_json::Value> = ledger
        .iter()
        .map(|entry| {
            serde_json::json!({
                "operation": entry.operation,
                "ca_order": entry.order,
                "accepted": entry.accepted,
            })
        })
        .collect();
    sqlx::query(
        "INSERT INTO harness.h_ca (operation, ca_order, accepted) SELECT operation, ca_order, accepted \
         FROM jsonb_to_recordset($1) AS h (operation text, ca_order bigint, accepted boolean)",
    )
    .bind(serde_json::Value::Array(rows))
    .execute(pool)
    .await?;
    Ok(())
}

/// Ids as an answer shows them.
pub struct Ids<'a> {
    /// `cert_...`
    pub certificate: &'a str,
    /// `job_...`
    pub job: &'a str,
}

/// The client's clock.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The log of one run, written by several clients.
#[derive(Debug, Default)]
pub struct History {
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// Notes an operation that began at `t0` and has ended now.
    ///
    /// # Errors
    /// An answer holds ids that cannot be read.
    pub fn note(
        &self,
        op: &'static str,
        name: &str,
        t0: OffsetDateTime,
        ended: Result<Ids<'_>, &Error>,
    ) -> Result<()> {
        let outcome = match &ended {
            Ok(_) => "ok",
            Err(error) if error.problem().is_some_and(|problem| problem.status < 500) => "fail",
            Err(_) => "unknown",
        };
        let (certificate_id, job_id) = match &ended {
            Ok(ids) => {
                let certificate: CertificateId =
                    ids.certificate.parse().ok().context("a certificate's id")?;
                let job: JobId = ids.job.parse().ok().context("a job's id")?;
                (Some(certificate.0.to_string()), Some(job.0))
            }
            Err(_) => (None, None),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            op_id: format!("{op}-{}", entries.len()),
            op,
            name: name.to_owned(),
            outcome,
            certificate_id,
            job_id,
            t0,
            t1: now(),
            why: ended.err().map(ToString::to_string),
        };
        entries.push(entry);
        Ok(())
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many operations ended so.
    pub fn count(&self, outcome: &str) -> usize {
        let entries = self.entries();
        entries
            .iter()
            .filter(|entry| entry.outcome == outcome)
            .count()
    }

    /// What the refusals and doubts said, each once.
    pub fn reasons(&self) -> BTreeSet<String> {
        self.entries()
            .into_iter()
            .filter_map(|entry| entry.why)
            .collect()
    }

    /// Writes the log as lines of JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = String::new();
        for entry in self.entries() {
            writeln!(text, "{}", serde_json::to_string(&entry)?)?;
        }
        std::fs::write(file, text).context("cannot write the history")
    }

    /// Writes the log, and loads it beside the real tables.
    ///
    /// # Errors
    /// The file cannot be written; the database's.
    pub async fn load(&self, file: &Path, pool: &Pool) -> Result<()> {
        self.write(file)?;
        sqlx::query(
            "INSERT INTO harness.h_enqueue \
             SELECT op_id, op, name, outcome, certificate_id, job_id, t0, t1 \
             FROM jsonb_to_recordset($1) AS h (op_id text, op text, name text, outcome text, \
                  certificate_id uuid, job_id bigint, t0 timestamptz, t1 timestamptz)",
        )
        .bind(serde_json::to_value(self.entries())?)
        .execute(pool)
        .await?;
        Ok(())
    }
}
