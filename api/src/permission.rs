//! What a key may be allowed to do, and the least role that includes it.
//!
//! Invariant: every route under `/api/v1` names exactly one of these.

use certmill_service::Role;

/// One permission; its word stands at each operation of the contract as `x-permission`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Look at certificates, versions and chains.
    CertificatesRead,
    /// Ask for certificates and renew them.
    CertificatesRequest,
    /// Revoke certificates.
    CertificatesRevoke,
    /// Read a private key that the server made.
    CertificatesExportKey,
    /// Look at processes, leader and schedules.
    ClusterRead,
    /// Read the contract and the version.
    ContractRead,
    /// Look at what failovers have lost.
    HistoryRead,
    /// Declare losses as seen to.
    HistorySettle,
    /// Look at issuers.
    IssuersRead,
    /// Look at jobs.
    JobsRead,
    /// Cancel and retry jobs.
    JobsControl,
    /// Look at lanes and what they have to do.
    LanesRead,
    /// Pause, resume and limit lanes and kinds of jobs.
    LanesControl,
    /// Read metrics.
    MetricsRead,
    /// Look at API keys.
    KeysRead,
    /// Make, end and replace API keys.
    KeysWrite,
    /// Stop operations.
    OperationsAbort,
    /// Look at operations.
    OperationsRead,
    /// Look at profiles.
    ProfilesRead,
    /// Make profiles.
    ProfilesWrite,
}

impl Permission {
    /// All of them, sorted by word.
    pub const ALL: &[Self] = &[
        Self::CertificatesExportKey,
        Self::CertificatesRead,
        Self::CertificatesRequest,
        Self::CertificatesRevoke,
        Self::ClusterRead,
        Self::ContractRead,
        Self::HistoryRead,
        Self::HistorySettle,
        Self::IssuersRead,
        Self::JobsControl,
        Self::JobsRead,
        Self::KeysRead,
        Self::KeysWrite,
        Self::LanesControl,
        Self::LanesRead,
        Self::MetricsRead,
        Self::OperationsAbort,
        Self::OperationsRead,
        Self::ProfilesRead,
        Self::ProfilesWrite,
    ];

    /// Word and least role.
    const fn row(self) -> (&'static str, Role) {
        match self {
            Self::CertificatesExportKey => ("certificates.export_key", Role::Admin),
            Self::CertificatesRead => ("certificates.read", Role::Viewer),
            Self::CertificatesRequest => ("certificates.request", Role::Operator),
            Self::CertificatesRevoke => ("certificates.revoke", Role::Operator),
            Self::ClusterRead => ("cluster.read", Role::Viewer),
            Self::ContractRead => ("contract.read", Role::Viewer),
            Self::HistoryRead => ("history.read", Role::Viewer),
            Self::HistorySettle => ("history.settle", Role::Operator),
            Self::IssuersRead => ("issuers.read", Role::Viewer),
            Self::JobsControl => ("jobs.control", Role::Operator),
            Self::JobsRead => ("jobs.read", Role::Viewer),
            Self::KeysRead => ("keys.read", Role::Admin),
            Self::KeysWrite => ("keys.write", Role::Admin),
            Self::LanesControl => ("lanes.control", Role::Operator),
            Self::LanesRead => ("lanes.read", Role::Viewer),
            Self::MetricsRead => ("metrics.read", Role::Viewer),
            Self::OperationsAbort => ("operations.abort", Role::Operator),
            Self::OperationsRead => ("operations.read", Role::Viewer),
            Self::ProfilesRead => ("profiles.read", Role::Viewer),
            Self::ProfilesWrite => ("profiles.write", Role::Admin),
        }
    }

    /// The word in the contract and the reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The least role that includes it.
    #[must_use]
    pub const fn least_role(self) -> Role {
        self.row().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_unique() {
        let words: Vec<_> = Permission::ALL.iter().map(|one| one.as_str()).collect();
        assert!(words.windows(2).all(|pair| pair[0] < pair[1]), "{words:?}");
        assert!(words.iter().all(|word| word.split('.').count() == 2));
    }
}
