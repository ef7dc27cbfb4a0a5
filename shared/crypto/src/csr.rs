//! Certificate signing requests (PKCS#10, RFC 2986): read with suspicion, and
//! written for keys that certmill or its client made.
//!
//! Invariant: of a request only the key and the names are ever used; everything
//! else is either harmless and ignored, or refused with a stable code.

mod create;
mod error;
mod lengths;
mod parse;
mod requested_names;

pub use create::{create, to_pem};
pub use error::CsrError;

use certmill_domain::names::Names;

use crate::keys::PublicKey;

/// The largest request that is read, in bytes, in either form.
pub const SIZE_MAX: usize = 64 * 1024;

/// The largest request in DER, in bytes: its PEM is within [`SIZE_MAX`] as well, so that what was
/// taken once is taken again in its other form.
pub const DER_SIZE_MAX: usize = 44 * 1024;

/// A request whose signature and key were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// The whole request in DER, as renewals use it again.
    pub der: Vec<u8>,
    /// The key that signed the request.
    pub public_key: PublicKey,
    /// The subject alternative names that it asks for; `None` if it names none,
    /// then they come from elsewhere. A common name alone counts as none.
    pub names: Option<Names>,
}
