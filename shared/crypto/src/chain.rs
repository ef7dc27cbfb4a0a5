//! Certificate chains: read, put in order, verified link by link, compared with
//! what was ordered.
//!
//! Invariant: a [`Chain`] starts with its leaf, each certificate is signed by the
//! next, and nothing else is in it.

mod error;
mod expected;
mod leaf;
mod ordering;
mod outline;

pub use error::ChainError;
pub use expected::{Expected, verify_issued};
pub(crate) use leaf::parse;
pub use leaf::{Leaf, certificate_facts, is_self_issued, signed_bytes_sha256};
pub use outline::Outline;

use crate::pem;

/// An ordered, verified chain, leaf first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    ders: Vec<Vec<u8>>,
    leaf: Leaf,
}

impl Chain {
    /// Reads a bundle of PEM certificates in any order.
    ///
    /// # Errors
    /// [`ChainError`]: other blocks, no leaf, broken links, strangers.
    pub fn parse_pem(text: &str) -> Result<Self, ChainError> {
        Self::from_ders(certificates_from_pem(text)?)
    }

    /// Orders and verifies certificates given in any order.
    ///
    /// # Errors
    /// As for [`Self::parse_pem`].
    pub fn from_ders(ders: Vec<Vec<u8>>) -> Result<Self, ChainError> {
        let ders = ordering::order(ders)?;
        let leaf = Leaf::from_der(ders.first().ok_or(ChainError::NoLeaf)?)?;
        Ok(Self { ders, leaf })
    }

    /// The leaf.
    #[must_use]
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// All certificates in DER, leaf first.
    #[must_use]
    pub fn ders(&self) -> &[Vec<u8>] {
        &self.ders
    }

    /// All certificates as PEM, leaf first: what a TLS server is given.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.ders.iter().map(|der| certificate_pem(der)).collect()
    }
}

/// One certificate as PEM.
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    pem::encode("CERTIFICATE", der)
}

/// The certificates of a PEM bundle in the order of the text; nothing is verified.
///
/// # Errors
/// [`ChainError::Malformed`] for broken PEM, other kinds of blocks, or none.
pub fn certificates_from_pem(text: &str) -> Result<Vec<Vec<u8>>, ChainError> {
    let blocks = pem::decode(text).map_err(|_| ChainError::Malformed)?;
    if blocks.is_empty() || blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return Err(ChainError::Malformed);
    }
    Ok(blocks.iter().map(|block| block.der.to_vec()).collect())
}
