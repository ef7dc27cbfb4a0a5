//! What every route shares: handles of this process, nothing of a request.
//!
//! Invariant: nothing here outlives a request's answer but caches that expire within seconds.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use certmill_coordination::Allowance;
use certmill_crypto::bootstrap_token::BootstrapToken;
use certmill_crypto::mac::MacRing;
use certmill_service::Context;
use certmill_service::certificates::Intake;
use certmill_settings::ApiLimits;

use crate::admission::Admission;
use crate::principals::Principals;
use crate::readiness::Readiness;

/// The state of the router; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What [`App`] derefs to.
pub(crate) struct Shared {
    /// The service's handles.
    pub context: Context,
    /// The OpenAPI document, as it is sent.
    pub contract: Bytes,
    /// The key of cursors.
    pub cursor_key: MacRing,
    /// What opens the door of the first admin.
    pub bootstrap_token: Option<BootstrapToken>,
    /// Bounds of requests.
    pub limits: ApiLimits,
    /// How much goes on at once.
    pub admission: Admission,
    /// The rate limits of keys and addresses.
    pub allowance: Allowance,
    /// The limits of guesses; apart, so that guessers crowd out nobody's packs.
    pub guesses: Allowance,
    /// Takes single asks for certificates.
    pub intake: Intake,
    /// Who sent which key, for two seconds.
    pub principals: Principals,
    /// Whether this replica serves.
    pub readiness: Readiness,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
