//! Revocations as they are asked for and answered.

use certmill_domain::revocation::RevocationReason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Request;
use crate::schema::{ReasonWord, VersionIdText};
use crate::shape::{Shape, optional, required};
use crate::{CertificateView, FieldError, JobView, VersionView};

/// Longest note, in characters.
const NOTE_MAX: usize = 1000;

/// Asks for a revocation: `POST /api/v1/certificates/{id}/revoke`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Why, by its name in RFC 5280, section 5.3.1, such as `keyCompromise`.
    #[schemars(with = "ReasonWord")]
    pub reason: String,
    /// Only this version, `ver_...`; the current one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<VersionIdText>")]
    pub version: Option<String>,
    /// All versions that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_versions: Option<bool>,
    /// More, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub note: Option<String>,
}

impl Request for RevokeRequest {
    const SHAPE: Shape = Shape::Object(&[
        required("reason", Shape::Text),
        optional("version", Shape::Text),
        optional("all_versions", Shape::Bool),
        optional("note", Shape::Text),
    ]);

    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if let Err(why) = self.reason.parse::<RevocationReason>() {
            faults.push(FieldError::new("/reason", why.code(), why.to_string()));
        }
        if self.version.is_some() && self.all_versions == Some(true) {
            let why = "give one version or all of them, not both";
            faults.push(FieldError::new("/all_versions", "contradiction", why));
        }
        if let Some(note) = &self.note
            && note.chars().count() > NOTE_MAX
        {
            let why = format!("must have {NOTE_MAX} characters at most");
            faults.push(FieldError::new("/note", "wrong_length", why));
        }
        faults
    }
}

/// The answer to a revocation: 202 while jobs are at work, 200 if nothing was left to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RevocationView {
    /// The certificate as it stands now.
    pub certificate: CertificateView,
    /// The versions that were meant; `revoked_at` says since when.
    pub versions: Vec<VersionView>,
    /// The jobs that revoke those which were not revoked before.
    pub jobs: Vec<JobView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_come_at_once() {
        let request = RevokeRequest {
            reason: "removeFromCRL".into(),
            version: Some("ver_1".into()),
            all_versions: Some(true),
            note: Some("x".repeat(NOTE_MAX + 1)),
        };
        let pointers: Vec<String> = request.faults().into_iter().map(|f| f.pointer).collect();
        assert_eq!(pointers, ["/reason", "/all_versions", "/note"]);
    }
}
