//! Bulk operations: one wish for many objects, carried out in steps, with progress and an end.

use crate::job::JobState;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The kind of job that carries an operation out.
pub const KIND: &str = "bulk";

/// What is done to each of many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobVerb {
    /// Waiting jobs become due, ended ones are enqueued anew.
    Retry,
    /// Waiting jobs end, running ones are asked to stop.
    Cancel,
    /// Waiting jobs go to another lane, get another priority, or both.
    Move,
}

impl JobVerb {
    /// All verbs.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Move];

    /// The word in requests, rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Move => "move",
        }
    }

    /// The states that it can do something about.
    #[must_use]
    pub fn states(self) -> &'static [JobState] {
        use JobState::{Available, Cancelled, Discarded, Retryable, Running, Scheduled};
        match self {
            Self::Retry => &[Scheduled, Available, Retryable, Discarded, Cancelled],
            Self::Cancel => &[Scheduled, Available, Retryable, Running],
            Self::Move => &[Scheduled, Available, Retryable],
        }
    }

    /// The states that are meant where a selector names none: what has failed is retried, what has
    /// not ended is cancelled, what waits is moved.
    #[must_use]
    pub fn usual_states(self) -> &'static [JobState] {
        match self {
            Self::Retry => &[JobState::Retryable, JobState::Discarded],
            Self::Cancel | Self::Move => self.states(),
        }
    }
}

/// A text that names no verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown verb; known are {}", JobVerb::ALL.map(JobVerb::as_str).join(", "))]
pub struct UnknownVerb;

impl FromStr for JobVerb {
    type Err = UnknownVerb;

    fn from_str(text: &str) -> Result<Self, UnknownVerb> {
        let mut all = Self::ALL.into_iter();
        all.find(|verb| verb.as_str() == text).ok_or(UnknownVerb)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// No worker has begun.
    Queued,
    /// Steps are being taken.
    Running,
    /// All that was meant was seen.
    Completed,
    /// Somebody stopped it; what was done stays done.
    Aborted,
    /// Its job was given up; what was done stays done.
    Failed,
}

impl OperationState {
    /// All states, in the order of an operation's life.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Aborted,
        Self::Failed,
    ];

    /// The word in rows, filters and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Aborted | Self::Failed)
    }
}

impl fmt::Display for OperationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state of an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state; known are {}", OperationState::ALL.map(OperationState::as_str).join(", "))]
pub struct UnknownOperationState;

impl FromStr for OperationState {
    type Err = UnknownOperationState;

    fn from_str(text: &str) -> Result<Self, UnknownOperationState> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.as_str() == text)
            .ok_or(UnknownOperationState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_mean_states_that_they_can_do_something_about() {
        for verb in JobVerb::ALL {
            assert!(
                verb.usual_states()
                    .iter()
                    .all(|one| verb.states().contains(one))
            );
            assert!(!verb.states().contains(&JobState::Completed));
            assert_eq!(verb.as_str().parse(), Ok(verb));
        }
        assert!("delete".parse::<JobVerb>().is_err());
    }
}
