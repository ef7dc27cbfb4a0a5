//! All findings of one examination.

use serde::Serialize;

use crate::{CHECKS, Finding, Level, Patient};

/// All findings, in the order of the checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst level.
    pub worst: Level,
    /// Each thing that was looked at.
    pub findings: Vec<Finding>,
}

/// Runs every check, one after the other.
pub async fn examine(patient: &Patient) -> Report {
    let mut findings = Vec::new();
    for check in CHECKS {
        findings.extend((check.look)(patient).await);
    }
    Report {
        worst: findings
            .iter()
            .map(|finding| finding.level)
            .max()
            .unwrap_or(Level::Ok),
        findings,
    }
}
