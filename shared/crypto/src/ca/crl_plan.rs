//! What a CRL says.
//!
//! Invariant: version 2 with authority key identifier and number, reasons only where one was given
//! (RFC 5280, sections 5.2 and 5.3.1); dates in whole seconds.

use certmill_domain::revocation::RevocationReason;
use certmill_domain::serial::Serial;
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason as Code, RevokedCertParams,
    SerialNumber,
};
use time::OffsetDateTime;

/// The plan of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlPlan {
    /// Its number, above that of every list before it.
    pub number: i64,
    /// When it was drawn up, in whole seconds.
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest, in whole seconds.
    pub next_update: OffsetDateTime,
    /// What it lists.
    pub revoked: Vec<RevokedSerial>,
}

/// One revoked certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedSerial {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked, in whole seconds.
    pub revoked_at: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
}

impl CrlPlan {
    pub(super) fn params(&self, key_identifier: &KeyIdMethod) -> CertificateRevocationListParams {
        CertificateRevocationListParams {
            this_update: self.this_update,
            next_update: self.next_update,
            crl_number: SerialNumber::from(self.number.unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: self.revoked.iter().map(entry).collect(),
            key_identifier_method: key_identifier.clone(),
        }
    }
}

fn entry(revoked: &RevokedSerial) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(revoked.serial.as_bytes()),
        revocation_time: revoked.revoked_at,
        reason_code: code(revoked.reason),
        invalidity_date: None,
    }
}

fn code(reason: RevocationReason) -> Option<Code> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(Code::KeyCompromise),
        RevocationReason::AffiliationChanged => Some(Code::AffiliationChanged),
        RevocationReason::Superseded => Some(Code::Superseded),
        RevocationReason::CessationOfOperation => Some(Code::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(Code::PrivilegeWithdrawn),
    }
}
