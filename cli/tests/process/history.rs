//! What the clients saw, written by them and by nobody else.
//!
//! Invariant: an operation is `fail` only if the server definitely refused it; whatever may have been
//! carried out is `unknown`.
#![allow(
    clippy::disallowed_methods,
    reason = "the client's own clock stamps its own log"
)]

use std::fmt::Write as _;
use std::path::Path;

use certmill_domain::ids::{CertificateId, JobId};
use certmill_pg::Pool;
use certmill_wire::client::Error;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// One operation.
#[derive(Debug, Serialize)]
pub struct Entry {
    op_id: String,
    op: &'static str,
    name: String,
    outcome: &'static str,
    certificate_id: Option<Uuid>,
    job_id: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    t0: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    t1: OffsetDateTime,
    why: Option<String>,
}

/// The log of one run.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
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

impl History {
    /// Notes an operation that began at `t0` and has ended now.
    pub fn note(
        &mut self,
        op: &'static str,
        name: &str,
        t0: OffsetDateTime,
        ended: Result<Ids<'_>, &Error>,
    ) {
        let outcome = match &ended {
            Ok(_) => "ok",
            Err(error) if error.problem().is_some_and(|problem| problem.status < 500) => "fail",
            Err(_) => "unknown",
        };
        let ids = ended.as_ref().ok();
        self.entries.push(Entry {
            op_id: format!("{op}-{}", self.entries.len()),
            op,
            name: name.to_owned(),
            outcome,
            certificate_id: ids.map(|ids| ids.certificate.parse::<CertificateId>().unwrap().0),
            job_id: ids.map(|ids| ids.job.parse::<JobId>().unwrap().0),
            t0,
            t1: now(),
            why: ended.err().map(ToString::to_string),
        });
    }

    /// How many operations ended so.
    pub fn count(&self, outcome: &str) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.outcome == outcome)
            .count()
    }

    /// What the refusals and doubts said, each once.
    pub fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = self
            .entries
            .iter()
            .filter_map(|entry| entry.why.as_deref())
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// Writes the log as lines of JSON and loads it beside the real tables.
    pub async fn load(&self, file: &Path, owner: &Pool) {
        let mut text = String::new();
        for entry in &self.entries {
            writeln!(text, "{}", serde_json::to_string(entry).unwrap()).unwrap();
        }
        std::fs::write(file, text).unwrap();
        sqlx::query(
            "INSERT INTO harness.h_enqueue \
             SELECT op_id, op, name, outcome, certificate_id, job_id, t0, t1 \
             FROM jsonb_to_recordset($1) AS h (op_id text, op text, name text, outcome text, \
                  certificate_id uuid, job_id bigint, t0 timestamptz, t1 timestamptz)",
        )
        .bind(serde_json::to_value(&self.entries).unwrap())
        .execute(owner)
        .await
        .unwrap();
    }
}
