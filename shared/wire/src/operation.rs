//! Operations: one wish for many jobs, as it is asked for and shown.

use std::collections::BTreeMap;

use certmill_domain::ids::JobId;
use certmill_domain::job::JobState;
use certmill_domain::operation::JobVerb;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::FieldError;
use crate::body::Request;
use crate::schema::{
    Instant, JobIdText, JobVerbWord, OperationIdText, OperationStateWord, StateWord,
};
use crate::shape::{Shape, optional, required};

/// Longest reason, in characters.
const REASON_MAX: usize = 1000;
/// The last priority.
const PRIORITY_MAX: i64 = 4;

/// Which jobs are meant: several values of one field are alternatives, an absent field means any. At
/// least one field is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSelector {
    /// Shown states; those that the verb usually means if absent: what has failed is retried, what
    /// has not ended is cancelled, what waits is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<StateWord>>")]
    pub states: Option<Vec<String>>,
    /// Lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    /// Kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// Codes of their last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_codes: Option<Vec<String>>,
    /// Classes of their last failure: `retry`, `wait`, `rejected`, `misconfigured`, `unsupported`,
    /// `lost_worker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_classes: Option<Vec<String>>,
    /// What they are about: `cert_...`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<String>>,
    /// These very jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<JobIdText>>")]
    pub ids: Option<Vec<String>>,
    /// Enqueued at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Instant>")]
    pub created_after: Option<String>,
    /// Enqueued before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Instant>")]
    pub created_before: Option<String>,
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const SELECTOR: Shape = Shape::Object(&[
    optional("states", TEXTS),
    optional("queues", TEXTS),
    optional("kinds", TEXTS),
    optional("error_codes", TEXTS),
    optional("error_classes", TEXTS),
    optional("objects", TEXTS),
    optional("ids", TEXTS),
    optional("created_after", Shape::Text),
    optional("created_before", Shape::Text),
]);

impl JobSelector {
    fn faults(&self, faults: &mut Vec<FieldError>) {
        let place = |field: &str, nth: usize| format!("/selector/{field}/{nth}");
        for (nth, text) in self.states.iter().flatten().enumerate() {
            if let Err(why) = text.parse::<JobState>() {
                let words = JobState::ALL.into_iter().map(JobState::as_str);
                let detail = match certmill_settings::nearest(text, words) {
                    Some(word) => format!("is not a state; did you mean `{word}`?"),
                    None => why.to_string(),
                };
                faults.push(FieldError::new(
                    place("states", nth),
                    "unknown_word",
                    detail,
                ));
            }
        }
        for (nth, text) in self.ids.iter().flatten().enumerate() {
            if let Err(why) = text.parse::<JobId>() {
                faults.push(FieldError::new(
                    place("ids", nth),
                    "invalid_id",
                    why.to_string(),
                ));
            }
        }
        for (name, text) in [
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
        ] {
            if let Some(Err(_)) = text.as_deref().map(instant) {
                let detail = "must be an instant by RFC 3339, such as 2030-01-01T00:00:00Z";
                faults.push(FieldError::new(
                    format!("/selector/{name}"),
                    "not_an_instant",
                    detail,
                ));
            }
        }
    }
}

/// Reads an instant that a database can hold.
///
/// # Errors
/// It is none.
pub fn instant(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}

/// Asks for an operation: `POST /api/v1/jobs/bulk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkJobRequest {
    /// What is done to each: `retry`, `cancel` or `move`.
    #[schemars(with = "JobVerbWord")]
    pub verb: String,
    /// Which jobs.
    pub selector: JobSelector,
    /// `move`: to this lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_queue: Option<String>,
    /// `move`: with this priority, 0 (first) to 4 (last).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4))]
    pub to_priority: Option<i64>,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
    /// Only say what would be meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

impl Request for BulkJobRequest {
    const SHAPE: Shape = Shape::Object(&[
        required("verb", Shape::Text),
        required("selector", SELECTOR),
        optional("to_queue", Shape::Text),
        optional("to_priority", Shape::Whole),
        optional("reason", Shape::Text),
        optional("dry_run", Shape::Bool),
    ]);

    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if let Err(why) = self.verb.parse::<JobVerb>() {
            let words = JobVerb::ALL.into_iter().map(JobVerb::as_str);
            let detail = match certmill_settings::nearest(&self.verb, words) {
                Some(word) => format!("is not a verb; did you mean `{word}`?"),
                None => why.to_string(),
            };
            faults.push(FieldError::new("/verb", "unknown_word", detail));
        }
        self.selector.faults(&mut faults);
        if let Some(priority) = self.to_priority
            && !(0..=PRIORITY_MAX).contains(&priority)
        {
            let detail = format!("must be 0..{PRIORITY_MAX}");
            faults.push(FieldError::new("/to_priority", "out_of_bounds", detail));
        }
        if let Some(reason) = &self.reason
            && reason.chars().count() > REASON_MAX
        {
            let detail = format!("must have {REASON_MAX} characters at most");
            faults.push(FieldError::new("/reason", "wrong_length", detail));
        }
        faults
    }
}

/// What an operation would mean: the answer to a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BulkPlanView {
    /// How many jobs.
    pub count: i64,
    /// At least so many: counting stopped.
    pub count_is_least: bool,
    /// The first ones.
    #[schemars(with = "Vec<JobIdText>")]
    pub samples: Vec<String>,
}

/// An operation and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationView {
    /// `op_...`
    #[schemars(with = "OperationIdText")]
    pub id: String,
    /// What its selector means: `job`.
    pub subject: String,
    /// What is done to each.
    pub verb: String,
    /// Which ones.
    pub selector: serde_json::Value,
    /// `queued`, `running`, `completed`, `aborted`, `failed`.
    #[schemars(with = "OperationStateWord")]
    pub state: String,
    /// How many were meant when it was asked for.
    pub total: i64,
    /// At least so many: counting stopped.
    pub total_is_least: bool,
    /// How many it came by.
    pub seen: i64,
    /// To how many it did what it is for.
    pub done: i64,
    /// How many it left alone.
    pub skipped: i64,
    /// Why: reason and how many.
    pub skipped_by_reason: BTreeMap<String, i64>,
    /// Somebody wants it stopped.
    pub abort_requested: bool,
    /// Who.
    #[serde(default)]
    pub aborted_by: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub fault: Option<String>,
    /// Who wants it.
    pub requested_by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// The job that takes its steps.
    #[serde(default)]
    #[schemars(with = "Option<JobIdText>")]
    pub job: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    pub created_at: OffsetDateTime,
    /// When its first step was taken.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    pub ended_at: Option<OffsetDateTime>,
}

impl OperationView {
    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.ended_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_come_at_once_with_suggestions() {
        let request = BulkJobRequest {
            verb: "retri".into(),
            selector: JobSelector {
                states: Some(vec!["discarded".into(), "discardd".into()]),
                ids: Some(vec!["7".into()]),
                created_after: Some("yesterday".into()),
                created_before: Some("+10000-01-01T00:00:00Z".into()),
                ..JobSelector::default()
            },
            to_priority: Some(9),
            reason: Some("x".repeat(REASON_MAX + 1)),
            ..BulkJobRequest::default()
        };
        let faults = request.faults();
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/verb",
                "/selector/states/1",
                "/selector/ids/0",
                "/selector/created_after",
                "/selector/created_before",
                "/to_priority",
                "/reason"
            ]
        );
        assert!(faults[0].detail.contains("`retry`") && faults[1].detail.contains("`discarded`"));
    }
}
