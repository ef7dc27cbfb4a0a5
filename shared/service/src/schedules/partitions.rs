//! The day partitions of the history are made ahead, and dropped after their time. They are made days
//! ahead, so that an hour's slot has many tries.

use super::{Entry, HOUR, Work};

pub(super) const SCHEDULE: Entry = Entry {
    name: "partition_care",
    period: |_| HOUR,
    work: Work::Kind(crate::effects::partition_care::KIND),
};
