//! The job queue on Postgres: enqueue, claim, checkpoint, finish, rescue, wake.
//!
//! Invariant: whoever changes a running job proves (job id, fence, lease token, process); zero
//! rows mean that the lease is lost and nothing may be written. Execution is at least once, the
//! accepted completion is one. Polling is the truth, NOTIFY a hint.
#![deny(missing_docs)]

mod ahead;
pub mod apalis;
mod at_work;
pub mod backoff;
mod beat;
mod by_key;
pub mod checkpoint;
pub mod claim;
pub mod control;
pub mod depth;
pub mod enqueue;
mod error;
pub mod finish;
mod finisher;
pub mod hours;
pub mod lane;
mod lease;
mod looker;
mod low_water;
pub mod maintenance;
pub mod many;
mod other_api;
mod pace;
pub mod probe;
pub mod process;
pub mod read;
mod registration;
pub mod release;
pub mod rescue;
pub mod selection;
mod source;
mod span;
mod stops;
pub mod unfit;
mod unsettled;
mod wake;

pub use at_work::AtWork;
pub use beat::{Beat, BeatOptions, Standing};
pub use by_key::{live_by_keys, lock_live, raise};
pub use certmill_domain::ids::{JobId, TeamId};
pub use claim::{
    ClaimRequest, ClaimedJob, LimitedClaim, claim, claim_above, claim_limited, claim_suspect,
};
pub use enqueue::{Enqueued, NewJob, Start, enqueue, enqueue_all};
pub use error::Error;
pub use finish::{FailOutcome, Failure, FailureClass, SnoozeOutcome, Stopped, Until};
pub use finisher::{BoxError, Effects, Finished, Finisher, FinisherOptions, Verdict};
pub use lane::{Lane, LaneRow};
pub use lease::{Lease, ProcessId};
pub use low_water::LowWater;
pub use other_api::OtherApi;
pub use probe::{DueLane, probe_due};
pub use registration::{keep_registered, register, stay_registered};
pub use stops::{Ended, StopLimits, Stops};
pub use unfit::Unfit;
pub use unsettled::Unsettled;
pub use wake::{Hint, Hinter, Wake};

/// The answer of this crate's calls.
pub type Result<T> = std::result::Result<T, Error>;
