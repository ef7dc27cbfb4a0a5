//! A certificate's state as rows hold it and as people see it.

use crate::waiting::{self, WaitingOn};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;

/// The stored status of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateStatus {
    /// No version was issued yet.
    Pending,
    /// The current version was issued and stands.
    Issued,
    /// The last order ended without a version, and no order is live.
    Failed,
}

impl CertificateStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Issued, Self::Failed];

    /// The word in rows, filters and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Issued => "issued",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status; known are {}", CertificateStatus::ALL.map(CertificateStatus::as_str).join(", "))]
pub struct UnknownStatus;

impl FromStr for CertificateStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// What is known of a certificate when its health is asked for.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// The stored status.
    pub status: CertificateStatus,
    /// End of the current version, if there is one.
    pub not_after: Option<OffsetDateTime>,
    /// Renewal instant of the current version, if there is one.
    pub renew_at: Option<OffsetDateTime>,
    /// When a sweep looks at it next; none if only a person moves it on.
    pub sweep_at: Option<OffsetDateTime>,
    /// Whether the current version was revoked.
    pub revoked: bool,
    /// Why the live job of the next generation waits, if there is such a job.
    pub job: Option<WaitingOn>,
    /// The last order's fault, if it ended in one: code and detail.
    pub fault: Option<(&'a str, &'a str)>,
    /// The database's clock.
    pub now: OffsetDateTime,
}

/// Why a certificate is not healthy, or `None` when it is: issued, not ended, not revoked and not yet due.
#[must_use]
pub fn waiting_on(seen: &Snapshot<'_>) -> Option<WaitingOn> {
    let ended = seen.not_after.is_some_and(|end| end <= seen.now);
    let due = seen.renew_at.is_some_and(|at| at <= seen.now);
    let healthy = seen.status == CertificateStatus::Issued && !ended && !due && !seen.revoked;
    if let Some(job) = &seen.job {
        return Some(job.clone());
    }
    if healthy {
        return None;
    }
    Some(match (seen.fault, ended) {
        (Some((code, detail)), _) => {
            let kind = match code {
                waiting::ATTEMPTS_USED_UP | "lost_worker" => waiting::ATTEMPTS_USED_UP,
                waiting::REVOKED | waiting::KEY_COMPROMISED => code,
                _ => waiting::REFUSED,
            };
            let detail = if detail.is_empty() { code } else { detail };
            WaitingOn::new(kind, seen.sweep_at, Some(detail))
        }
        (None, true) => WaitingOn::new(waiting::EXPIRED, seen.sweep_at, None),
        (None, false) => WaitingOn::new(waiting::SWEEP, seen.sweep_at, None),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use time::{Duration, macros::datetime};

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn seen(status: CertificateStatus) -> Snapshot<'static> {
        Snapshot {
            status,
            not_after: Some(NOW + Duration::days(30)),
            renew_at: Some(NOW + Duration::days(10)),
            sweep_at: Some(NOW + Duration::days(10)),
            revoked: false,
            job: None,
            fault: None,
            now: NOW,
        }
    }

    #[test]
    fn only_a_healthy_certificate_waits_for_nothing() {
        assert_eq!(waiting_on(&seen(CertificateStatus::Issued)), None);
        let ended = Snapshot {
            not_after: Some(NOW),
            ..seen(CertificateStatus::Issued)
        };
        assert_eq!(waiting_on(&ended).unwrap().code, waiting::EXPIRED);
        let due = Snapshot {
            renew_at: Some(NOW),
            ..seen(CertificateStatus::Issued)
        };
        assert_eq!(waiting_on(&due).unwrap().code, waiting::SWEEP);
        assert!(waiting_on(&seen(CertificateStatus::Pending)).is_some());
        let revoked = Snapshot {
            revoked: true,
            fault: Some((waiting::KEY_COMPROMISED, "bring another key")),
            ..seen(CertificateStatus::Issued)
        };
        assert_eq!(waiting_on(&revoked).unwrap().code, waiting::KEY_COMPROMISED);
        let failed = Snapshot {
            fault: Some(("weak_key", "")),
            ..seen(CertificateStatus::Failed)
        };
        assert_eq!(waiting_on(&failed).unwrap().code, waiting::REFUSED);
    }
}
