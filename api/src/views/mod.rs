//! What the service found, in the words of the wire.
//!
//! Invariant: views hold no PEM, no key and nothing of another team.

mod api_key;
mod certificate;
mod cluster;
mod history;
mod job;
mod lane;
mod metrics;
mod operation;
mod owned;
mod statistics;

pub(crate) use api_key::{api_key, first, made, rotated};
pub(crate) use certificate::{certificate, version};
pub(crate) use cluster::cluster;
pub(crate) use history::history;
pub(crate) use job::{job, job_with_past};
pub(crate) use lane::{kinds, lane, lanes};
pub(crate) use metrics::metrics;
pub(crate) use operation::{operation, plan};
pub(crate) use owned::{issuer, profile};
pub(crate) use statistics::job_hours;
