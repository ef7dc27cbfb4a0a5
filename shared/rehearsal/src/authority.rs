//! The key that signs, below a root of its own.

use certmill_crypto::ca::{CaError, CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::csr::Csr;
use certmill_crypto::keys::{KeyError, PrivateKey};
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use time::OffsetDateTime;
use time::macros::datetime;

/// Signs leaves.
pub(crate) struct Authority {
    ca: SigningCa,
    root_der: Vec<u8>,
}

/// It could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No certificate.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// No random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

impl Authority {
    pub(crate) fn create() -> Result<Self, AuthorityError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        let plan = CaPlan {
            common_name: "certmill rehearsal, trusted by nobody".to_owned(),
            organization: None,
            serial: serial()?,
            validity: Validity {
                not_before: datetime!(2020-01-01 00:00 UTC),
                not_after: datetime!(2099-01-01 00:00 UTC),
            },
            path_len: 0,
        };
        let root_der = create_root(&plan, &key)?;
        let ca = SigningCa::new(&root_der, key)?;
        Ok(Self { ca, root_der })
    }

    /// Signs a leaf under a serial number that nobody else knows; the chain, leaf first.
    pub(crate) fn sign(
        &self,
        csr: Csr,
        names: &Names,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Vec<Vec<u8>>, AuthorityError> {
        let plan = LeafPlan {
            serial: serial()?,
            validity: Validity {
                not_before,
                not_after,
            },
            names: names.clone(),
            public_key: csr.public_key,
            purposes: vec![Purpose::ServerAuth],
            status: None,
        };
        Ok(vec![self.ca.sign_leaf(&plan)?, self.root_der.clone()])
    }
}

fn serial() -> Result<Serial, AuthorityError> {
    let bits = random::bytes().map_err(|why| AuthorityError::Random(why.to_string()))?;
    Ok(Serial::from_random(bits))
}
