//! OCSP (RFC 6960): requests are read, answers are signed by a delegated responder.
//!
//! Invariant: what cannot be answered with a signature is answered by a status of the protocol,
//! never by silence.

mod answer;
mod error;
mod refusal;
mod request;
mod responder;

pub use answer::{Answer, CertificateStatus, Stated};
pub use error::OcspError;
pub use refusal::Refusal;
pub use request::{CertId, Request};
pub use responder::Responder;
