//! Certificates whose time has come are renewed.

use super::{Entry, Work};

pub(super) const SCHEDULE: Entry = Entry {
    name: "renewal",
    period: |periods| periods.renewal,
    work: Work::Kind(crate::effects::renewal_sweep::KIND),
};
