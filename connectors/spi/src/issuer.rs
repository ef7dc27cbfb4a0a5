//! The trait that every certificate authority is spoken to through.
//!
//! Invariant: one step makes at most one non-idempotent call. Its result is stored
//! before the next step, so that a crash repeats at most that one call, and the
//! order id lets the other side recognise it.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Ask, Fault, Remote, Revocation};

/// What an issuer can do, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Powers {
    /// Serial and dates come out exactly as asked for; what is issued is then
    /// compared with the plan.
    pub keeps_plan: bool,
    /// [`Issuer::revoke`] works.
    pub revokes: bool,
    /// It asks somebody else. The first step of an order, from [`Remote::start`], is then the one
    /// that the other side counts: it is charged to the issuer's budgets, and no other step is.
    pub calls_out: bool,
}

/// Where an order stands after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store this state, then step again at once.
    Continue(Remote),
    /// Store this state and come back later.
    Pending {
        /// The state to be stored.
        remote: Remote,
        /// How long to wait.
        check_after: Duration,
    },
    /// Done.
    Issued {
        /// The certificates in DER, leaf first, without the root. Not yet verified.
        chain: Vec<Vec<u8>>,
    },
}

/// A certificate authority.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// What it can do.
    fn powers(&self) -> Powers;

    /// Whether it can be reached and would accept our credentials; changes nothing.
    ///
    /// # Errors
    /// The fault that an order would meet.
    async fn probe(&self) -> Result<(), Fault>;

    /// Moves one order forward from `remote`, the last stored state.
    ///
    /// # Errors
    /// A classified [`Fault`]; the order stays at `remote`.
    async fn step(&self, ask: &Ask, remote: Remote) -> Result<Step, Fault>;

    /// Revokes a certificate; revoking it again succeeds.
    ///
    /// # Errors
    /// A classified [`Fault`], of class `Unsupported` where there is no such function.
    async fn revoke(&self, revocation: &Revocation) -> Result<(), Fault>;
}
