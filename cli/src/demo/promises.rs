//! What was promised, compared with the ledger of the CA, which certmill cannot write.
//!
//! Invariant: the ledger is read before the certificates. What it holds was asked for by then, so
//! either a version shows it, or a job that is still at it does.

use std::collections::HashMap;

use certmill_rehearsal::{Entry, Operation};
use certmill_wire::CertificateView;
use time::OffsetDateTime;

/// The ledger, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    /// New orders that the CA accepted.
    pub(super) orders: usize,
    /// Orders that became a certificate.
    pub(super) finalized: usize,
    /// New orders that the CA refused because of its limits.
    pub(super) refused: usize,
    by_name: HashMap<String, i64>,
}

impl Books {
    /// Counts it.
    pub(super) fn of(ledger: &[Entry]) -> Self {
        let mut books = Self::default();
        for entry in ledger {
            match (entry.operation, entry.accepted) {
                (Operation::NewOrder, true) => books.orders += 1,
                (Operation::NewOrder, false) => books.refused += 1,
                (Operation::Finalize, true) => {
                    books.finalized += 1;
                    if let Some(name) = entry.names.first() {
                        *books.by_name.entry(name.clone()).or_default() += 1;
                    }
                }
                (Operation::Finalize | Operation::Revoke, _) => {}
            }
        }
        books
    }
}

/// How the promises stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Promises {
    /// Certificates that the CA made more than once for one generation.
    pub(super) twice: i64,
    /// Certificates that have ended without a successor.
    pub(super) expired: usize,
    /// Orders that the CA refused because of its limits.
    pub(super) refused: usize,
}

impl Books {
    /// How many certificates the CA made that neither a version nor a job accounts for.
    pub(super) fn beyond(&self, one: &CertificateView) -> i64 {
        let made = self.by_name.get(&one.name).copied().unwrap_or_default();
        let shown = one.version.as_ref().map_or(0, |version| version.generation);
        (made - shown - i64::from(one.job.is_some())).max(0)
    }
}

impl Promises {
    /// Compares.
    pub(super) fn of(books: &Books, certificates: &[CertificateView], now: OffsetDateTime) -> Self {
        let has_ended = |one: &&CertificateView| {
            let version = one.version.as_ref();
            version.is_some_and(|version| version.not_after <= now)
        };
        Self {
            twice: certificates.iter().map(|one| books.beyond(one)).sum(),
            expired: certificates.iter().filter(has_ended).count(),
            refused: books.refused,
        }
    }

    /// Whether all hold.
    pub(super) fn hold(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Display for Promises {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            twice,
            expired,
            refused,
        } = self;
        write!(
            f,
            "issued twice {twice}, expired {expired}, refused for the CA's limits {refused}"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use certmill_wire::VersionView;

    use super::*;

    fn finalized(name: &str, times: usize) -> Vec<Entry> {
        let entry = Entry {
            at: Duration::ZERO,
            operation: Operation::Finalize,
            order: Some(1),
            names: vec![name.to_owned()],
            accepted: true,
        };
        vec![entry; times]
    }

    fn certificate(generation: i64, job: bool) -> CertificateView {
        let at = OffsetDateTime::UNIX_EPOCH;
        let version = VersionView {
            id: String::new(),
            generation,
            serial: String::new(),
            not_before: at,
            not_after: at + Duration::from_secs(60),
            fingerprint_sha256: String::new(),
            issued_at: at,
            revoked_at: None,
            revocation_reason: None,
        };
        CertificateView {
            id: String::new(),
            name: "a.example".to_owned(),
            sans: Vec::new(),
            profile: String::new(),
            issuer: String::new(),
            status: String::new(),
            generation,
            version: (generation > 0).then_some(version),
            renew_at: None,
            waiting_on: None,
            job: job.then(String::new),
            created_at: at,
        }
    }

    #[test]
    fn a_generation_is_made_once() {
        let twice = |times, generation, job| {
            let books = Books::of(&finalized("a.example", times));
            let all = [certificate(generation, job)];
            Promises::of(&books, &all, OffsetDateTime::UNIX_EPOCH).twice
        };
        assert_eq!(twice(1, 1, false), 0);
        assert_eq!(twice(1, 0, true), 0, "it is being stored");
        assert_eq!(twice(2, 1, true), 0);
        assert_eq!(twice(2, 1, false), 1);
        assert_eq!(twice(3, 1, true), 1);
    }

    #[test]
    fn what_has_ended_is_told() {
        let late = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(61);
        let promises = Promises::of(&Books::default(), &[certificate(1, false)], late);
        assert_eq!(promises.expired, 1);
        assert!(!promises.hold());
    }
}
