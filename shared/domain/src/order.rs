//! An order: one attempt to obtain a version, written down before the issuer is asked.

use crate::ids::{CertificateId, IssuerId, OrderId, TeamId};
use crate::serial::Serial;
use crate::validity::Validity;
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use uuid::Uuid;

/// The state of an order. `planned`, `submitting` and `pending` are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// Serial and dates are drawn; the issuer was not asked.
    Planned,
    /// The issuer may have been asked: look it up before asking again.
    Submitting,
    /// The issuer has it and is at work.
    Pending,
    /// Its version is stored.
    Issued,
    /// The issuer refused it, or its attempts are used up.
    Failed,
    /// Given up in favour of another order.
    Abandoned,
}

impl OrderState {
    const ALL: [Self; 6] = [
        Self::Planned,
        Self::Submitting,
        Self::Pending,
        Self::Issued,
        Self::Failed,
        Self::Abandoned,
    ];

    /// The word in rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Submitting => "submitting",
            Self::Pending => "pending",
            Self::Issued => "issued",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored state that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown order state")]
pub struct UnknownState;

impl FromStr for OrderState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(UnknownState)
    }
}

/// The authority of ours that an issuer signs with at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// Its row.
    pub ca_key_id: Uuid,
    /// When everything below it must have ended.
    pub not_after: OffsetDateTime,
}

/// An order before it is stored: everything that decides its TBS but the names and the key.
#[derive(Debug, Clone)]
pub struct OrderPlan {
    /// The team of its certificate.
    pub team_id: TeamId,
    /// The certificate it is for.
    pub certificate_id: CertificateId,
    /// The generation that it is to obtain, one above the certificate's.
    pub generation: i32,
    /// Who is asked.
    pub issuer_id: IssuerId,
    /// Its serial number.
    pub serial: Serial,
    /// Its dates.
    pub validity: Validity,
    /// The authority of ours that the serial was drawn for; none where another CA signs.
    pub ca_key_id: Option<Uuid>,
}

/// A stored order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id: the idempotency key at the issuer.
    pub id: OrderId,
    /// What was planned.
    pub plan: OrderPlan,
    /// Where it stands.
    pub state: OrderState,
    /// The connector's own state, as it was last stored.
    pub remote: Option<serde_json::Value>,
    /// When it was planned, by the database's clock.
    pub planned_at: OffsetDateTime,
}

/// The unique key of the job that works on (certificate, generation): requests, renewals by hand
/// and sweeps all enqueue under it, so that at most one job works on a generation.
#[must_use]
pub fn issue_key(certificate: CertificateId, generation: i32) -> Vec<u8> {
    let mut key = b"issue:".to_vec();
    key.extend_from_slice(certificate.0.as_bytes());
    key.extend_from_slice(&generation.to_be_bytes());
    key
}
