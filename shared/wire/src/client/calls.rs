//! One method an endpoint.
//!
//! Invariant: a method does nothing but name its endpoint and its types.

use certmill_settings::Secret;

use super::{Client, Error};
use crate::{
    Accepted, ActionRequest, BootstrapRequest, Build, BulkAnswer, BulkCertificateRequest,
    BulkJobRequest, BulkPlanView, CertificateFilter, CertificateRequest, CertificateView,
    ClusterView, HealthView, HistoryView, IssuerView, JobFilter, JobHoursView, JobView, KeyFilter,
    KeyRequest, KeyView, LaneLimitRequest, LaneView, LanesView, NewKeyView, OperationFilter,
    OperationView, Page, Paging, PausedKindView, ProfileRequest, ProfileView, ReadyView,
    RenewRequest, RevocationView, RevokeRequest, RotateRequest, SettledView, VersionList,
};

type Answer<T> = Result<T, Error>;

/// The media type of chains (RFC 8555, section 9.1).
const CHAIN: &str = "application/pem-certificate-chain";

impl Client {
    /// `POST /api/v1/certificates`
    pub async fn request_certificate(&self, request: &CertificateRequest) -> Answer<Accepted> {
        self.json(self.post(&["api", "v1", "certificates"], request)?)
            .await
    }

    /// `POST /api/v1/certificates:bulk`
    pub async fn request_certificates(
        &self,
        request: &BulkCertificateRequest,
    ) -> Answer<BulkAnswer> {
        self.json(self.post(&["api", "v1", "certificates:bulk"], request)?)
            .await
    }

    /// `GET /api/v1/certificates`
    pub async fn certificates(&self, filter: &CertificateFilter) -> Answer<Page<CertificateView>> {
        self.json(self.get(&["api", "v1", "certificates"], &filter.to_pairs())?)
            .await
    }

    /// `GET /api/v1/certificates/{id}`
    pub async fn certificate(&self, id: &str) -> Answer<CertificateView> {
        self.json(self.get(&["api", "v1", "certificates", id], &[])?)
            .await
    }

    /// `POST /api/v1/certificates/{id}/renew`
    pub async fn renew_certificate(&self, id: &str, request: &RenewRequest) -> Answer<Accepted> {
        self.json(self.post(&["api", "v1", "certificates", id, "renew"], request)?)
            .await
    }

    /// `POST /api/v1/certificates/{id}/revoke`
    pub async fn revoke_certificate(
        &self,
        id: &str,
        request: &RevokeRequest,
    ) -> Answer<RevocationView> {
        self.json(self.post(&["api", "v1", "certificates", id, "revoke"], request)?)
            .await
    }

    /// `GET /api/v1/certificates/{id}/versions`
    pub async fn versions(&self, id: &str) -> Answer<VersionList> {
        self.json(self.get(&["api", "v1", "certificates", id, "versions"], &[])?)
            .await
    }

    /// `GET /api/v1/certificates/{id}/chain`: PEM, leaf first, without the root.
    pub async fn chain(&self, id: &str) -> Answer<String> {
        self.text(
            self.get(&["api", "v1", "certificates", id, "chain"], &[])?,
            CHAIN,
        )
        .await
    }

    /// `GET /api/v1/certificates/{id}/key`: PEM of a key that the server made and keeps.
    pub async fn certificate_key(&self, id: &str) -> Answer<Secret> {
        let call = self.get(&["api", "v1", "certificates", id, "key"], &[])?;
        self.text(call, "application/x-pem-file")
            .await
            .map(Secret::from)
    }

    /// `GET /api/v1/profiles`
    pub async fn profiles(&self, paging: &Paging) -> Answer<Page<ProfileView>> {
        self.json(self.get(&["api", "v1", "profiles"], &paging.to_pairs())?)
            .await
    }

    /// `POST /api/v1/profiles`
    pub async fn add_profile(&self, request: &ProfileRequest) -> Answer<ProfileView> {
        self.json(self.post(&["api", "v1", "profiles"], request)?)
            .await
    }

    /// `GET /api/v1/lanes`
    pub async fn lanes(&self) -> Answer<LanesView> {
        self.json(self.get(&["api", "v1", "lanes"], &[])?).await
    }

    /// `GET /api/v1/lanes/{name}`
    pub async fn lane(&self, name: &str) -> Answer<LaneView> {
        self.json(self.get(&["api", "v1", "lanes", name], &[])?)
            .await
    }

    /// `POST /api/v1/lanes/{name}/pause`
    pub async fn pause_lane(&self, name: &str, request: &ActionRequest) -> Answer<LaneView> {
        self.json(self.post(&["api", "v1", "lanes", name, "pause"], request)?)
            .await
    }

    /// `POST /api/v1/lanes/{name}/resume`
    pub async fn resume_lane(&self, name: &str, request: &ActionRequest) -> Answer<LaneView> {
        self.json(self.post(&["api", "v1", "lanes", name, "resume"], request)?)
            .await
    }

    /// `POST /api/v1/lanes/{name}/limit`
    pub async fn limit_lane(&self, name: &str, request: &LaneLimitRequest) -> Answer<LaneView> {
        self.json(self.post(&["api", "v1", "lanes", name, "limit"], request)?)
            .await
    }

    /// `POST /api/v1/job-kinds/{kind}/pause`
    pub async fn pause_kind(
        &self,
        kind: &str,
        request: &ActionRequest,
    ) -> Answer<Vec<PausedKindView>> {
        self.json(self.post(&["api", "v1", "job-kinds", kind, "pause"], request)?)
            .await
    }

    /// `POST /api/v1/job-kinds/{kind}/resume`
    pub async fn resume_kind(
        &self,
        kind: &str,
        request: &ActionRequest,
    ) -> Answer<Vec<PausedKindView>> {
        self.json(self.post(&["api", "v1", "job-kinds", kind, "resume"], request)?)
            .await
    }

    /// `POST /api/v1/keys`
    pub async fn add_key(&self, request: &KeyRequest) -> Answer<NewKeyView> {
        self.json(self.post(&["api", "v1", "keys"], request)?).await
    }

    /// `GET /api/v1/keys`
    pub async fn keys(&self, filter: &KeyFilter) -> Answer<Page<KeyView>> {
        self.json(self.get(&["api", "v1", "keys"], &filter.to_pairs())?)
            .await
    }

    /// `GET /api/v1/keys/{id}`
    pub async fn key(&self, id: &str) -> Answer<KeyView> {
        self.json(self.get(&["api", "v1", "keys", id], &[])?).await
    }

    /// `POST /api/v1/keys/{id}/revoke`
    pub async fn revoke_key(&self, id: &str, request: &ActionRequest) -> Answer<KeyView> {
        self.json(self.post(&["api", "v1", "keys", id, "revoke"], request)?)
            .await
    }

    /// `POST /api/v1/keys/{id}/rotate`
    pub async fn rotate_key(&self, id: &str, request: &RotateRequest) -> Answer<NewKeyView> {
        self.json(self.post(&["api", "v1", "keys", id, "rotate"], request)?)
            .await
    }

    /// `POST /api/v1/bootstrap`: no key is needed, only the token.
    pub async fn bootstrap(&self, request: &BootstrapRequest) -> Answer<NewKeyView> {
        self.json(self.post(&["api", "v1", "bootstrap"], request)?)
            .await
    }

    /// `GET /api/v1/issuers`
    pub async fn issuers(&self, paging: &Paging) -> Answer<Page<IssuerView>> {
        self.json(self.get(&["api", "v1", "issuers"], &paging.to_pairs())?)
            .await
    }

    /// `GET /api/v1/jobs`
    pub async fn jobs(&self, filter: &JobFilter) -> Answer<Page<JobView>> {
        self.json(self.get(&["api", "v1", "jobs"], &filter.to_pairs())?)
            .await
    }

    /// `POST /api/v1/jobs/bulk`
    pub async fn bulk_jobs(&self, request: &BulkJobRequest) -> Answer<OperationView> {
        self.json(self.post(&["api", "v1", "jobs", "bulk"], request)?)
            .await
    }

    /// `POST /api/v1/jobs/bulk` with `dry_run`.
    pub async fn plan_bulk_jobs(&self, request: &BulkJobRequest) -> Answer<BulkPlanView> {
        let request = BulkJobRequest {
            dry_run: Some(true),
            ..request.clone()
        };
        self.json(self.post(&["api", "v1", "jobs", "bulk"], &request)?)
            .await
    }

    /// `GET /api/v1/operations`
    pub async fn operations(&self, filter: &OperationFilter) -> Answer<Page<OperationView>> {
        self.json(self.get(&["api", "v1", "operations"], &filter.to_pairs())?)
            .await
    }

    /// `GET /api/v1/operations/{id}`
    pub async fn operation(&self, id: &str) -> Answer<OperationView> {
        self.json(self.get(&["api", "v1", "operations", id], &[])?)
            .await
    }

    /// `POST /api/v1/operations/{id}/abort`
    pub async fn abort_operation(
        &self,
        id: &str,
        request: &ActionRequest,
    ) -> Answer<OperationView> {
        self.json(self.post(&["api", "v1", "operations", id, "abort"], request)?)
            .await
    }

    /// `GET /api/v1/jobs/{id}`
    pub async fn job(&self, id: &str) -> Answer<JobView> {
        self.json(self.get(&["api", "v1", "jobs", id], &[])?).await
    }

    /// `POST /api/v1/jobs/{id}/cancel`
    pub async fn cancel_job(&self, id: &str, request: &ActionRequest) -> Answer<JobView> {
        self.json(self.post(&["api", "v1", "jobs", id, "cancel"], request)?)
            .await
    }

    /// `POST /api/v1/jobs/{id}/retry`
    pub async fn retry_job(&self, id: &str, request: &ActionRequest) -> Answer<JobView> {
        self.json(self.post(&["api", "v1", "jobs", id, "retry"], request)?)
            .await
    }

    /// `GET /api/v1/cluster`
    pub async fn cluster(&self) -> Answer<ClusterView> {
        self.json(self.get(&["api", "v1", "cluster"], &[])?).await
    }

    /// `GET /api/v1/history-cuts`
    pub async fn history_cuts(&self) -> Answer<HistoryView> {
        self.json(self.get(&["api", "v1", "history-cuts"], &[])?)
            .await
    }

    /// `POST /api/v1/history-cuts/{id}/settle`
    pub async fn settle_history(&self, id: &str, request: &ActionRequest) -> Answer<SettledView> {
        self.json(self.post(&["api", "v1", "history-cuts", id, "settle"], request)?)
            .await
    }

    /// `GET /api/v1/statistics/jobs`
    pub async fn job_hours(&self) -> Answer<JobHoursView> {
        self.json(self.get(&["api", "v1", "statistics", "jobs"], &[])?)
            .await
    }

    /// `GET /api/v1/version`
    pub async fn version(&self) -> Answer<Build> {
        self.json(self.get(&["api", "v1", "version"], &[])?).await
    }

    /// `GET /health`
    pub async fn health(&self) -> Answer<HealthView> {
        self.json(self.get(&["health"], &[])?).await
    }

    /// `GET /ready`; a server that is not ready is an error with status 503.
    pub async fn ready(&self) -> Answer<ReadyView> {
        self.json(self.get(&["ready"], &[])?).await
    }
}
