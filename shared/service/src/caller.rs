//! Who asks: every function of the service takes a caller, and writes it into the audit row.

use certmill_domain::ids::TeamId;
use certmill_store::audit::NewAudit;
use serde_json::Value;

/// What a key may do; each role includes the ones below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Requests, renews, cancels, retries.
    Operator,
    /// Also profiles, issuers and keys.
    Admin,
}

impl Role {
    /// Reads the stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word in rows and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A principal with its scope.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The team whose objects it sees.
    pub team_id: TeamId,
    /// Who, as audit rows name it: a key's shown id or `system:<part>`.
    pub actor: String,
    /// What it may do.
    pub role: Role,
    /// The request, if one asked.
    pub request_id: Option<String>,
    /// The trace that a job continues, if the request had one.
    pub trace_id: Option<String>,
}

impl Caller {
    /// certmill itself, acting for the default team.
    #[must_use]
    pub fn system(part: &str) -> Self {
        Self::system_for(part, TeamId::DEFAULT)
    }

    /// certmill itself, acting for this team.
    pub(crate) fn system_for(part: &str, team_id: TeamId) -> Self {
        Self {
            team_id,
            actor: format!("system:{part}"),
            role: Role::Admin,
            request_id: None,
            trace_id: None,
        }
    }

    /// The audit row of what this caller did to an object of its team; `detail` holds no secret.
    pub(crate) fn audit(
        &self,
        action: &'static str,
        object: impl ToString,
        detail: Value,
    ) -> NewAudit {
        NewAudit {
            team_id: self.team_id,
            actor: self.actor.clone(),
            action,
            object: object.to_string(),
            request_id: self.request_id.clone(),
            detail,
        }
    }
}
