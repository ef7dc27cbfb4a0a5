//! Certificates as they are asked for and shown.

use certmill_domain::waiting::WaitingOn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::body::Request;
use crate::schema::{
    CertificateIdText, Instant, JobIdText, ReasonWord, SerialHex, Sha256Hex, StatusWord,
    VersionIdText,
};
use crate::shape::{Field, Shape, optional, required};
use crate::{FieldError, JobView};

/// The most certificates that one bulk request may ask for.
pub const MAX_BULK: usize = 1000;

/// Asks for a certificate: `POST /api/v1/certificates`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// Its name in the system, and its first subject name.
    pub name: String,
    /// Further subject names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10000))]
    pub sans: Option<Vec<String>>,
    /// The profile by name; the default profile if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The CSR in PEM; needed where the profile's `key_source` is `csr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
}

const CERTIFICATE: &[Field] = &[
    required("name", Shape::Text),
    optional("sans", Shape::List(&Shape::Text)),
    optional("profile", Shape::Text),
    optional("csr", Shape::Text),
];

impl CertificateRequest {
    fn faults_at(&self, at: &str) -> Option<FieldError> {
        let empty = self.sans.as_ref().is_some_and(Vec::is_empty);
        let detail = "must hold at least one name, or be left out";
        empty.then(|| FieldError::new(format!("{at}/sans"), "names_count", detail))
    }
}

impl Request for CertificateRequest {
    const SHAPE: Shape = Shape::Object(CERTIFICATE);

    fn faults(&self) -> Vec<FieldError> {
        self.faults_at("").into_iter().collect()
    }
}

/// Asks for many at once: `POST /api/v1/certificates:bulk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkCertificateRequest {
    /// At most [`MAX_BULK`], at least one.
    #[schemars(length(min = 1, max = 1000))]
    pub certificates: Vec<CertificateRequest>,
}

impl Request for BulkCertificateRequest {
    const SHAPE: Shape = Shape::Object(&[required(
        "certificates",
        Shape::List(&Shape::Object(CERTIFICATE)),
    )]);

    fn faults(&self) -> Vec<FieldError> {
        let count = self.certificates.len();
        if (1..=MAX_BULK).contains(&count) {
            let items = self.certificates.iter().enumerate();
            return items
                .filter_map(|(place, item)| item.faults_at(&format!("/certificates/{place}")))
                .collect();
        }
        let detail = format!("must hold 1..{MAX_BULK} certificates, got {count}");
        vec![FieldError::new("/certificates", "wrong_length", detail)]
    }
}

/// The answer to a bulk request, one item for each certificate asked for, in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BulkAnswer {
    /// How many were accepted.
    pub accepted: usize,
    /// How many were refused.
    pub refused: usize,
    /// One for each, in order.
    pub items: Vec<BulkItem>,
}

/// What became of one certificate of a bulk request; either `accepted` or `problem` is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BulkItem {
    /// The name as asked for.
    pub name: String,
    /// The ids, if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CertificateIdText>")]
    pub certificate_id: Option<String>,
    /// The job that obtains it, if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<JobIdText>")]
    pub job_id: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::Problem>,
}

/// The body of an action on one thing (`.../cancel`, `.../retry`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRequest {
    /// Why, for the audit and whoever looks at the thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
}

impl Request for ActionRequest {
    const SHAPE: Shape = Shape::Object(&[optional("reason", Shape::Text)]);

    fn faults(&self) -> Vec<FieldError> {
        reason_faults(self.reason.as_deref())
    }
}

/// Longest reason, in characters.
const REASON_MAX: usize = 1000;

pub(crate) fn reason_faults(reason: Option<&str>) -> Vec<FieldError> {
    if reason.is_none_or(|reason| reason.chars().count() <= REASON_MAX) {
        return Vec::new();
    }
    let why = format!("must have {REASON_MAX} characters at most");
    vec![FieldError::new("/reason", "wrong_length", why)]
}

/// Renews a certificate now: `POST /api/v1/certificates/{id}/renew`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
    /// A CSR in PEM with another key of the same names; the key stays if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
}

impl Request for RenewRequest {
    const SHAPE: Shape = Shape::Object(&[
        optional("reason", Shape::Text),
        optional("csr", Shape::Text),
    ]);

    fn faults(&self) -> Vec<FieldError> {
        reason_faults(self.reason.as_deref())
    }
}

/// A certificate: the lasting intent, with its current version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateView {
    /// `cert_...`
    #[schemars(with = "CertificateIdText")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// All subject names, the first one included.
    pub sans: Vec<String>,
    /// The profile's name.
    pub profile: String,
    /// The issuer's name.
    pub issuer: String,
    /// `pending`, `issued` or `failed`.
    #[schemars(with = "StatusWord")]
    pub status: String,
    /// Counts the versions.
    pub generation: i64,
    /// The current version, once there is one.
    pub version: Option<VersionView>,
    /// When it will be renewed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub renew_at: Option<OffsetDateTime>,
    /// Why it is not done or not well.
    pub waiting_on: Option<WaitingOn>,
    /// The unfinished job, if any: `job_...`
    #[schemars(with = "Option<JobIdText>")]
    pub job: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
}

/// One issued version, without PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionView {
    /// `ver_...`
    #[schemars(with = "VersionIdText")]
    pub id: String,
    /// Which generation it is.
    #[serde(default)]
    pub generation: i64,
    /// Lower-case hex.
    #[schemars(with = "SerialHex")]
    pub serial: String,
    /// Valid from.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub not_before: OffsetDateTime,
    /// Valid until.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub not_after: OffsetDateTime,
    /// Lower-case hex of the SHA-256 of the DER.
    #[schemars(with = "Sha256Hex")]
    pub fingerprint_sha256: String,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub issued_at: OffsetDateTime,
    /// When it was revoked, if it was.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Why, by the name in RFC 5280.
    #[serde(default)]
    #[schemars(with = "Option<ReasonWord>")]
    pub revocation_reason: Option<String>,
}

/// All versions of a certificate, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionList {
    /// Newest first.
    pub data: Vec<VersionView>,
}

/// A chain where it is asked for as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainView {
    /// Leaf first, without the root.
    pub pem: String,
}

/// 202: what was asked for stands, and this job will do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The certificate as it stands now.
    pub certificate: CertificateView,
    /// The job to watch.
    pub job: JobView,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn view() -> CertificateView {
        let version = VersionView {
            id: "ver_1".into(),
            generation: 2,
            serial: "0a".into(),
            not_before: datetime!(2030-01-01 00:00 UTC),
            not_after: datetime!(2030-01-02 00:00 UTC),
            fingerprint_sha256: "ff".into(),
            issued_at: datetime!(2030-01-01 00:05 UTC),
            revoked_at: None,
            revocation_reason: None,
        };
        CertificateView {
            id: "cert_1".into(),
            name: "a.example".into(),
            sans: vec!["a.example".into()],
            profile: "default".into(),
            issuer: "local".into(),
            status: "issued".into(),
            generation: 2,
            version: Some(version),
            renew_at: Some(datetime!(2030-01-01 16:00 UTC)),
            waiting_on: Some(WaitingOn::new("sweep", None, None)),
            job: None,
            created_at: datetime!(2030-01-01 00:00 UTC),
        }
    }

    #[test]
    fn answers_survive_the_wire_and_tolerate_more() {
        let mut json = serde_json::to_value(view()).unwrap();
        assert_eq!(json["created_at"], "2030-01-01T00:00:00Z");
        assert_eq!(json["job"], serde_json::Value::Null);
        json["a_field_of_tomorrow"] = json!(1);
        assert_eq!(
            serde_json::from_value::<CertificateView>(json).unwrap(),
            view()
        );
    }

    #[test]
    fn requests_refuse_unknown_fields() {
        let known = serde_json::from_value::<CertificateRequest>(json!({"name": "a"}));
        assert_eq!(
            serde_json::to_value(known.unwrap()).unwrap(),
            json!({"name": "a"})
        );
        let more = json!({"name": "a", "team_id": 7});
        assert!(serde_json::from_value::<CertificateRequest>(more).is_err());
    }
}
