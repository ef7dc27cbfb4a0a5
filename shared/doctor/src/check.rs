//! A check: an id and a look.

use std::pin::Pin;

use crate::{Finding, Patient};

/// What a look is while it lasts.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 'a>>;

/// One check; each has a file of its own and a line in [`crate::CHECKS`].
#[derive(Clone, Copy)]
pub struct Check {
    /// The id of its findings.
    pub id: &'static str,
    /// Looks; nothing found means that it could not look.
    pub look: for<'a> fn(&'a Patient) -> Looking<'a>,
}
