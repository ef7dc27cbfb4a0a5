//! Why something is not done yet: every unfinished job and unhealthy certificate can say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Who has to move next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// certmill itself; nobody needs to act.
    Certmill,
    /// The issuer.
    Issuer,
    /// A person who runs certmill.
    Operator,
    /// Whoever asked for the certificate.
    Requester,
}

/// A coded reason with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingOn {
    /// Stable code, for filters and scripts.
    pub code: String,
    /// Who owns the next move.
    pub who: Who,
    /// When certmill looks again by itself, if it does.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<OffsetDateTime>,
    /// One sentence for people.
    pub sentence: String,
}

impl WaitingOn {
    /// Builds the reason for `code`; `detail` completes the sentence of codes that name a fault.
    #[must_use]
    pub fn new(code: &str, until: Option<OffsetDateTime>, detail: Option<&str>) -> Self {
        let (who, sentence) = describe(code);
        let sentence = match detail {
            Some(detail) if !detail.is_empty() => format!("{sentence}: {detail}"),
            _ => sentence.to_owned(),
        };
        Self {
            code: code.to_owned(),
            who,
            until,
            sentence,
        }
    }
}

/// Waits for a worker that is free.
pub const WORKER: &str = "worker";
/// Its lane is paused.
pub const LANE_PAUSED: &str = "lane_paused";
/// Its kind is paused.
pub const KIND_PAUSED: &str = "kind_paused";
/// As many jobs of its lane run as may.
pub const LANE_FULL: &str = "lane_full";
/// No process that runs jobs is alive.
pub const NO_WORKER: &str = "no_worker";
/// Workers are alive, and none of them knows its kind.
pub const UNKNOWN_KIND: &str = "unknown_kind";
/// Something that it needs holds a word of a newer build.
pub const NEWER_BUILD: &str = "newer_build";
/// A worker has it.
pub const RUNNING: &str = "running";
/// Its start lies in the future.
pub const SCHEDULED: &str = "scheduled";
/// Its last attempt failed and is repeated later.
pub const RETRY: &str = "retry";
/// The issuer asked for time.
pub const ISSUER_PENDING: &str = "issuer_pending";
/// The issuer's CA may not be asked for more at the moment.
pub const ISSUER_BUDGET: &str = "issuer_budget";
/// The worker that had it vanished; it is handed out again.
pub const RESCUED: &str = "rescued";
/// Cancelling was asked for while it runs.
pub const CANCELLING: &str = "cancelling";
/// The last order ended in a fault that a repeat does not mend.
pub const REFUSED: &str = "refused";
/// All attempts of the last order are used up.
pub const ATTEMPTS_USED_UP: &str = "attempts_used_up";
/// Due, and the next sweep takes it.
pub const SWEEP: &str = "sweep";
/// The current version has ended.
pub const EXPIRED: &str = "expired";

/// The current version was revoked, and no other one was asked for.
pub const REVOKED: &str = "revoked";
/// The key is known to others: the certificate needs another one.
pub const KEY_COMPROMISED: &str = "key_compromised";

fn describe(code: &str) -> (Who, &'static str) {
    match code {
        WORKER => (Who::Certmill, "waits for a free worker of its lane"),
        LANE_PAUSED => (Who::Operator, "its lane is paused"),
        KIND_PAUSED => (Who::Operator, "jobs of its kind are paused"),
        LANE_FULL => (Who::Certmill, "its lane runs as many jobs as it may"),
        NO_WORKER => (Who::Operator, "no worker is alive"),
        UNKNOWN_KIND => (
            Who::Operator,
            "no living worker knows its kind: its build is older",
        ),
        NEWER_BUILD => (
            Who::Operator,
            "the worker that looked is of an older build than what the job needs",
        ),
        RUNNING => (Who::Certmill, "a worker is on it"),
        SCHEDULED => (Who::Certmill, "its start lies in the future"),
        RETRY => (Who::Certmill, "the last attempt failed and is repeated"),
        ISSUER_PENDING => (Who::Issuer, "the issuer is still at work"),
        ISSUER_BUDGET => (
            Who::Certmill,
            "the issuer's budget is used up for the moment",
        ),
        RESCUED => (Who::Certmill, "its worker vanished, another takes it over"),
        CANCELLING => (Who::Certmill, "cancelling was asked for"),
        REFUSED => (Who::Requester, "the last order was refused"),
        ATTEMPTS_USED_UP => (Who::Operator, "the last order used up its attempts"),
        SWEEP => (Who::Certmill, "due, and taken by the next sweep"),
        REVOKED => (Who::Operator, "the current version was revoked"),
        KEY_COMPROMISED => (Who::Requester, "its key is known to others"),
        EXPIRED => (Who::Operator, "the current version has ended"),
        _ => (Who::Certmill, "waits"),
    }
}
