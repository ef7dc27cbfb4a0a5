//! Certificates and versions as they are shown.

use certmill_service::certificates::Detail;
use certmill_store::version::Version;
use certmill_wire::{CertificateView, VersionView};

/// A certificate with its current version.
pub(crate) fn certificate(detail: Detail) -> CertificateView {
    let row = detail.certificate;
    CertificateView {
        id: row.id.to_string(),
        name: row.name,
        sans: row.names.to_texts(),
        profile: detail.profile,
        issuer: detail.issuer,
        status: row.status.as_str().to_owned(),
        generation: i64::from(row.generation),
        version: detail.version.as_ref().map(version),
        renew_at: row.renew_at,
        waiting_on: detail.waiting_on,
        job: detail.job.map(|job| job.id.to_string()),
        created_at: row.created_at,
    }
}

/// One version, without PEM.
pub(crate) fn version(version: &Version) -> VersionView {
    VersionView {
        id: version.id.to_string(),
        generation: i64::from(version.generation),
        serial: hex::encode(version.serial.as_bytes()),
        not_before: version.validity.not_before,
        not_after: version.validity.not_after,
        fingerprint_sha256: hex::encode(&version.fingerprint),
        issued_at: version.issued_at,
        revoked_at: version.revoked.map(|(at, _)| at),
        revocation_reason: version.revoked.map(|(_, reason)| reason.to_string()),
    }
}
