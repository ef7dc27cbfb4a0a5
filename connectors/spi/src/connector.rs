//! From a kind and its stored settings to something that can be called.
//!
//! Invariant: connecting checks settings and secrets, and calls nobody.

use certmill_crypto::keys::PrivateKey;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Fault, Issuer};

/// What the process hands to a connector beside its settings.
#[derive(Default)]
pub struct Deps {
    /// The opened key of the issuing CA, where [`Connector::NEEDS_CA_KEY`] is set.
    pub ca_key: Option<PrivateKey>,
}

/// One kind of issuer.
pub trait Connector {
    /// Its word in rows, URLs and settings.
    const KIND: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// Whether only a process that loaded `ca.kek` can run it.
    const NEEDS_CA_KEY: bool;
    /// Its settings; the schema is the form that pages show, the field
    /// descriptions are its help.
    type Config: DeserializeOwned + JsonSchema;

    /// Makes an issuer from its settings.
    ///
    /// # Errors
    /// A fault of class `Misconfigured` that says which setting is wrong.
    fn connect(config: Self::Config, deps: Deps) -> Result<Box<dyn Issuer>, Fault>;
}
