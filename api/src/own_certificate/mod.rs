//! The replica's own certificate: ordered like any other, kept in the data folder, renewed here.
//!
//! Invariant: the key never leaves this host; what is shown was issued for this key and these
//! names and has not ended by the database's clock. A kill at any instant costs at most one
//! order, since name and key are on disk before they are asked for.

mod folder;
mod identity;
mod names;

use std::time::{Duration, Instant};

use certmill_domain::certificate::CertificateStatus;
use certmill_domain::names::{Names, San};
use certmill_service::certificates::{self, Ask, Detail, ItemOutcome};
use certmill_service::{Caller, Context, bootstrap};
use certmill_store::certificate::Filter;
use certmill_store::clock;
use certmill_store::version::Version;
use certmill_tasks::{Backoff, Shutdown};

pub(crate) use names::wanted_names;

use crate::app::App;
use crate::tls::{Tls, TlsError};
use folder::Folder;
use identity::Identity;

/// Between looks while there is nothing to serve: short at first, so that a first start is quick.
const EAGER: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// Between orders that came to nothing.
const PATIENT: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));
/// Between looks while all is well.
const CALM: Duration = Duration::from_secs(20);

/// A step that failed; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Service(#[from] certmill_service::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the order was refused: {0}")]
    Refused(String),
}

/// What a step found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The right chain is shown.
    Settled,
    /// A job is at work.
    Waiting,
}

/// Keeps the certificate that the listener shows.
pub(crate) struct OwnCertificate {
    app: App,
    context: Context,
    caller: Caller,
    folder: Folder,
    names: Vec<San>,
    identity: Identity,
    tls: Tls,
    shown: Option<Vec<u8>>,
    renewals: u32,
    renew_after: Instant,
}

impl OwnCertificate {
    /// Loads or makes the identity, and shows its chain if the folder has one.
    pub(crate) fn open(
        app: &App,
        data_dir: &std::path::Path,
        names: Vec<San>,
    ) -> Result<Self, TlsError> {
        let folder = Folder::open(data_dir)?;
        let identity = match Identity::load(&folder) {
            Some(identity) => identity,
            None => Identity::make(&folder)?,
        };
        let wanted = Names::new(names.clone()).map_err(TlsError::new)?;
        let tls = match identity.stored_chain(&folder) {
            Some(chain) => Tls::showing(&chain, identity.key())?,
            None => Tls::throw_away(wanted)?,
        };
        let context = app.context.clone();
        let caller = Caller::system("api");
        Ok(Self {
            app: app.clone(),
            context,
            caller,
            folder,
            names,
            identity,
            tls,
            shown: None,
            renewals: 0,
            renew_after: Instant::now(),
        })
    }

    /// What the listener shows.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Obtains, shows and renews it until the shutdown.
    pub(crate) async fn keep(mut self, shutdown: Shutdown) {
        let mut unsettled = 0_u32;
        loop {
            let pause = match self.step().await {
                Ok(Found::Settled) => {
                    unsettled = 0;
                    CALM
                }
                Ok(Found::Waiting) => {
                    unsettled = unsettled.saturating_add(1);
                    EAGER.delay(unsettled, &mut rand::rng())
                }
                Err(error) => {
                    unsettled = unsettled.saturating_add(3);
                    tracing::warn!(event = "own_certificate", %error, "the api's own certificate waits");
                    EAGER.delay(unsettled, &mut rand::rng())
                }
            };
            if shutdown
                .cut_short(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    async fn step(&mut self) -> Result<Found, Fault> {
        let Some(detail) = self.look().await? else {
            self.ask().await?;
            return Ok(Found::Waiting);
        };
        if !self.is_ours(&detail) {
            self.identity = Identity::make(&self.folder)?;
            self.ask().await?;
            return Ok(Found::Waiting);
        }
        let mut tx = self.context.begin().await?;
        let now = clock::now(&mut tx)
            .await
            .map_err(certmill_service::Error::from)?;
        drop(tx);
        let valid = detail
            .version
            .as_ref()
            .filter(|version| version.validity.not_after > now);
        if let Some(version) = valid {
            self.show(version)?;
        }
        let due = detail.certificate.renew_at.is_some_and(|at| at <= now);
        let failed = detail.certificate.status == CertificateStatus::Failed;
        if (due || failed) && detail.job.is_none() {
            self.renew(&detail).await?;
        }
        if valid.is_none() || due {
            return Ok(Found::Waiting);
        }
        self.renewals = 0;
        Ok(Found::Settled)
    }

    /// Orders the next version; one that comes to nothing is not repeated at once.
    async fn renew(&mut self, detail: &Detail) -> Result<(), Fault> {
        if Instant::now() < self.renew_after {
            return Ok(());
        }
        self.renewals = self.renewals.saturating_add(1);
        self.renew_after = Instant::now() + PATIENT.delay(self.renewals, &mut rand::rng());
        certificates::renew(&self.context, &self.caller, detail.certificate.id, None).await?;
        tracing::info!(
            event = "own_certificate",
            "the api's own certificate is being renewed"
        );
        Ok(())
    }

    async fn look(&self) -> Result<Option<Detail>, Fault> {
        let filter = Filter {
            names: vec![self.identity.name().to_owned()],
            ..Filter::default()
        };
        let mut found = certificates::list(&self.context, &self.caller, &filter, None, 1).await?;
        Ok(found.pop())
    }

    /// Whether the row is for this key and the names that are wanted now.
    fn is_ours(&self, detail: &Detail) -> bool {
        let spki = self.identity.key().public_key().spki_sha256();
        let wanted = self.all_names();
        detail.certificate.spki_sha256 == spki
            && wanted.is_ok_and(|wanted| wanted == detail.certificate.names)
    }

    fn all_names(&self) -> Result<Names, TlsError> {
        let own: San = self.identity.name().parse().map_err(TlsError::new)?;
        Names::new(self.names.iter().cloned().chain([own])).map_err(TlsError::new)
    }

    async fn ask(&mut self) -> Result<(), Fault> {
        let ask = Ask {
            name: self.identity.name().to_owned(),
            sans: self.names.iter().map(ToString::to_string).collect(),
            profile: Some(bootstrap::CONTROL_PROFILE.to_owned()),
            csr_pem: Some(self.identity.csr_pem(&self.all_names()?)?),
            auto_renew: false,
        };
        let asked = certificates::request(
            &self.context,
            &self.caller,
            vec![ask],
            |_| String::new(),
            None,
        )
        .await?;
        match asked.value.into_iter().next() {
            Some(ItemOutcome::Refused { faults }) => {
                let words: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
                Err(Fault::Refused(words.join("; ")))
            }
            _ => Ok(()),
        }
    }

    fn show(&mut self, version: &Version) -> Result<(), TlsError> {
        if self.shown.as_ref() != Some(&version.fingerprint) {
            let chain: Vec<Vec<u8>> = std::iter::once(&version.leaf_der)
                .chain(&version.chain_der)
                .cloned()
                .collect();
            self.tls.swap(&chain, self.identity.key())?;
            self.folder
                .write_chain(&certificates::version_pem(version))?;
            self.shown = Some(version.fingerprint.clone());
            tracing::info!(
                event = "own_certificate",
                generation = version.generation,
                "the api shows its own certificate"
            );
        }
        self.app.readiness.certificate_is_in_place();
        Ok(())
    }
}
