//! What a signed answer says.

use certmill_domain::revocation::RevocationReason;
use time::OffsetDateTime;
use x509_cert::der::asn1::GeneralizedTime;
use x509_cert::ext::pkix::CrlReason;
use x509_ocsp::{CertStatus, OcspGeneralizedTime, RevokedInfo, SingleResponse};

use crate::ocsp::{CertId, OcspError};

/// The status of one certificate (RFC 6960, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Issued here and not revoked.
    Good,
    /// Revoked at that moment, for that reason.
    Revoked(OffsetDateTime, RevocationReason),
    /// Never issued here.
    Unknown,
}

/// One certificate with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The certificate as the request named it.
    pub id: CertId,
    /// Its status.
    pub status: CertificateStatus,
}

/// An answer to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it says, in the order of the request.
    pub stated: Vec<Stated>,
    /// When that was so.
    pub this_update: OffsetDateTime,
    /// How long it may be kept.
    pub next_update: OffsetDateTime,
    /// The request's nonce.
    pub nonce: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn singles(&self) -> Result<Vec<SingleResponse>, OcspError> {
        self.stated.iter().map(|one| self.single(one)).collect()
    }

    fn single(&self, stated: &Stated) -> Result<SingleResponse, OcspError> {
        let status = match stated.status {
            CertificateStatus::Good => CertStatus::good(),
            CertificateStatus::Unknown => CertStatus::unknown(),
            CertificateStatus::Revoked(at, reason) => CertStatus::Revoked(RevokedInfo {
                revocation_time: instant(at)?,
                revocation_reason: code(reason),
            }),
        };
        Ok(SingleResponse {
            cert_id: stated.id.0.clone(),
            cert_status: status,
            this_update: instant(self.this_update)?,
            next_update: Some(instant(self.next_update)?),
            single_extensions: None,
        })
    }
}

/// GeneralizedTime in whole seconds (RFC 6960, section 4.2.2.1).
pub(super) fn instant(at: OffsetDateTime) -> Result<OcspGeneralizedTime, OcspError> {
    let seconds = u64::try_from(at.unix_timestamp()).map_err(|_| OcspError::Signing)?;
    GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))
        .map(OcspGeneralizedTime)
        .map_err(|_| OcspError::Signing)
}

fn code(reason: RevocationReason) -> Option<CrlReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(CrlReason::KeyCompromise),
        RevocationReason::AffiliationChanged => Some(CrlReason::AffiliationChanged),
        RevocationReason::Superseded => Some(CrlReason::Superseded),
        RevocationReason::CessationOfOperation => Some(CrlReason::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(CrlReason::PrivilegeWithdrawn),
    }
}
