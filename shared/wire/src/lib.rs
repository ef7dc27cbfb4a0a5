//! Everything that crosses HTTPS: requests, answers, problems, and the one client.
//!
//! Invariant: requests refuse unknown fields, answers tolerate them; times are RFC 3339 in UTC,
//! ids are texts, and no list row carries PEM.

mod api_key;
pub mod body;
mod certificate;
pub mod client;
mod cluster;
mod depth;
mod filter;
mod health;
mod history;
mod issuer;
mod job;
mod lane;
mod operation;
mod page;
mod private_key;
mod problem;
mod problem_code;
mod profile;
mod revocation;
mod schema;
mod secret_text;
mod shape;
mod statistics;

pub use api_key::{BootstrapRequest, KeyRequest, KeyView, NewKeyView, RotateRequest};
pub use body::Request;
pub use certificate::{
    Accepted, ActionRequest, BulkAnswer, BulkCertificateRequest, BulkItem, CertificateRequest,
    CertificateView, ChainView, MAX_BULK, RenewRequest, VersionList, VersionView,
};
pub use certmill_domain::waiting::{WaitingOn, Who};
pub use cluster::{BudgetView, ClusterView, LeaderView, ProcessView, ScheduleView, TermView};
pub use filter::{
    CertificateFilter, DEFAULT_LIMIT, Filter, JobFilter, KeyFilter, MAX_LIMIT, OperationFilter,
    Paging, QueryParameter,
};
pub use health::{Build, Check, HealthView, ReadyView};
pub use history::{CutView, HistoryView, LostWriteView, SettledView};
pub use issuer::IssuerView;
pub use job::{AttemptView, JobActionView, JobView, LogLineView};
pub use lane::{LaneLimitRequest, LaneTotal, LaneView, LanesView, PausedKindView};
pub use operation::{BulkJobRequest, BulkPlanView, JobSelector, OperationView, instant};
pub use page::Page;
pub use problem::{FieldError, Problem};
pub use problem_code::ProblemCode;
pub use profile::{ProfileRequest, ProfileView, RenewalView};
pub use revocation::{RevocationView, RevokeRequest};
pub use shape::{Field, Shape};
pub use statistics::{JobHourView, JobHoursView};
