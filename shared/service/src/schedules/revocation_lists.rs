//! Authorities get a new list of what they revoked. What is revoked is listed by a job of its own; this
//! finds what that one lost, and lists that grow old.

use super::{Entry, MINUTE, Work};

pub(super) const SCHEDULE: Entry = Entry {
    name: "crl",
    period: |_| MINUTE,
    work: Work::Kind(crate::effects::crl_sweep::KIND),
};
