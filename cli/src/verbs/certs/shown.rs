//! How one certificate is printed.
//!
//! Invariant: the JSON of an issued certificate has id, serial, not_before, not_after,
//! fingerprint and chain at its top level.

use certmill_wire::{Accepted, CertificateView};
use serde::Serialize;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::output::{Output, instant, waiting};

/// An issued certificate for scripts.
#[derive(Debug, Serialize)]
struct Issued<'a> {
    id: &'a str,
    name: &'a str,
    status: &'a str,
    version: &'a str,
    serial: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    fingerprint: &'a str,
    chain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<&'a str>,
}

/// What was asked for, for scripts.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    id: &'a str,
    name: &'a str,
    status: &'a str,
    job: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<&'a str>,
}

/// Prints a certificate that has a version, with its chain in PEM.
pub fn print_issued(
    certificate: &CertificateView,
    chain: &str,
    key_file: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let Some(version) = &certificate.version else {
        return output.fields(&fields(certificate));
    };
    if output.is_value() {
        return output.value(&Issued {
            id: &certificate.id,
            name: &certificate.name,
            status: &certificate.status,
            version: &version.id,
            serial: &version.serial,
            not_before: version.not_before,
            not_after: version.not_after,
            fingerprint: &version.fingerprint_sha256,
            chain,
            key_file,
        });
    }
    let mut fields = fields(certificate);
    fields.push(("key file", key_file.unwrap_or_default().to_owned()));
    output.fields(&fields)?;
    match output.is_table() {
        true => output.text(&format!("\n{chain}")),
        false => Ok(()),
    }
}

/// Prints what was asked for and how to see what becomes of it.
pub fn print_accepted(
    accepted: &Accepted,
    key_file: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let certificate = &accepted.certificate;
    if output.is_value() {
        return output.value(&Asked {
            id: &certificate.id,
            name: &certificate.name,
            status: &certificate.status,
            job: &accepted.job.id,
            key_file,
        });
    }
    output.fields(&[
        ("id", certificate.id.clone()),
        ("name", certificate.name.clone()),
        ("status", certificate.status.clone()),
        ("job", accepted.job.id.clone()),
        ("key file", key_file.unwrap_or_default().to_owned()),
    ])?;
    output.note(&format!("next: certmill certs show {}", certificate.name));
    Ok(())
}

/// The fields of a certificate for people.
pub fn fields(certificate: &CertificateView) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("id", certificate.id.clone()),
        ("name", certificate.name.clone()),
        ("names", certificate.sans.join(", ")),
        ("profile", certificate.profile.clone()),
        ("issuer", certificate.issuer.clone()),
        ("status", certificate.status.clone()),
        ("generation", certificate.generation.to_string()),
    ];
    if let Some(version) = &certificate.version {
        fields.extend([
            ("serial", version.serial.clone()),
            ("not before", instant(version.not_before)),
            ("not after", instant(version.not_after)),
            ("fingerprint", version.fingerprint_sha256.clone()),
        ]);
    }
    let (sentence, until) = waiting(certificate.waiting_on.as_ref());
    fields.extend([
        (
            "renews at",
            certificate.renew_at.map(instant).unwrap_or_default(),
        ),
        ("waiting on", sentence),
        ("until", until),
        ("job", certificate.job.clone().unwrap_or_default()),
    ]);
    fields
}
