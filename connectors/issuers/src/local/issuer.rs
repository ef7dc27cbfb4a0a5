//! Signing for one ask.
//!
//! Invariant: the key belongs to the first certificate of the settings, else
//! there is no issuer; every refusal comes before the signature, also one for the sake of a CA above.

use async_trait::async_trait;
use certmill_crypto::ca::{CaError, CaIdentity, LeafPlan, Purpose, SigningCa, StatusUrls};
use certmill_crypto::chain::{ChainError, certificates_from_pem, is_self_issued};
use certmill_spi::{
    Ask, Connector, Deps, Fault, FaultClass, Issuer, Powers, Remote, Revocation, Step,
};

use crate::local::config::LocalConfig;

/// A local CA.
pub(crate) struct Local {
    ca: SigningCa,
    /// The issuing certificate and what stands between it and the root, in DER.
    above: Vec<Vec<u8>>,
    /// What each leaf says about where its revocation is told.
    status: Option<StatusUrls>,
}

impl Connector for Local {
    const KIND: &'static str = "local";
    const TITLE: &'static str = "Local CA";
    const NEEDS_CA_KEY: bool = true;
    type Config = LocalConfig;

    fn connect(config: LocalConfig, deps: Deps) -> Result<Box<dyn Issuer>, Fault> {
        let key = deps.ca_key.ok_or_else(|| {
            let detail = "this process did not open the key of the local CA; only workers with \
                          ca.kek can sign";
            Fault::misconfigured("ca_key_missing", detail)
        })?;
        let certificates = certificates_from_pem(&config.chain_pem).map_err(bad_chain)?;
        let (issuing, rest) = certificates
            .split_first()
            .ok_or_else(|| bad_chain(ChainError::Malformed))?;
        let mut above = vec![issuing.clone()];
        for certificate in rest {
            if !is_self_issued(certificate).map_err(bad_chain)? {
                above.push(certificate.clone());
            }
        }
        let status = match config.revocation_url.filter(|url| !url.is_empty()) {
            Some(base) => {
                let issuer = CaIdentity::of(issuing).map_err(fault)?;
                Some(StatusUrls::below(&base, &issuer))
            }
            None => None,
        };
        let ca = SigningCa::below(issuing, rest, key).map_err(fault)?;
        Ok(Box::new(Self { ca, above, status }))
    }
}

#[async_trait]
impl Issuer for Local {
    fn powers(&self) -> Powers {
        Powers {
            keeps_plan: true,
            revokes: true,
            calls_out: false,
        }
    }

    async fn probe(&self) -> Result<(), Fault> {
        // Certificate and key were matched on connecting; there is nobody to reach.
        Ok(())
    }

    async fn step(&self, ask: &Ask, remote: Remote) -> Result<Step, Fault> {
        if !remote.is_start() {
            return Err(Remote::unreadable());
        }
        let plan = LeafPlan {
            serial: ask.serial,
            validity: ask.validity,
            names: ask.names.clone(),
            public_key: ask.public_key.clone(),
            purposes: vec![Purpose::ServerAuth],
            status: self.status.clone(),
        };
        let leaf = self.ca.sign_leaf(&plan).map_err(fault)?;
        let mut chain = vec![leaf];
        chain.extend_from_slice(&self.above);
        Ok(Step::Issued { chain })
    }

    async fn revoke(&self, _revocation: &Revocation) -> Result<(), Fault> {
        // What is stored as revoked is published by CRL and OCSP; there is nobody else to be told.
        Ok(())
    }
}

fn bad_chain(error: ChainError) -> Fault {
    Fault::misconfigured("ca_chain_invalid", format!("chain_pem: {error}")).caused_by(error)
}

fn fault(error: CaError) -> Fault {
    let class = match error {
        CaError::EmptyValidity { .. }
        | CaError::OutlivesIssuer { .. }
        | CaError::NameConstraint { .. }
        | CaError::NoPurpose => FaultClass::Rejected,
        CaError::MalformedIssuer
        | CaError::NotACa
        | CaError::NoCrlSign
        | CaError::KeyMismatch
        | CaError::PathLength
        | CaError::UnsupportedConstraint
        | CaError::SubjectForm => FaultClass::Misconfigured,
        CaError::Signing => FaultClass::Retry,
    };
    Fault::new(class, error.code(), error.to_string()).caused_by(error)
}
