//! What is to be seen, asked through the API and read from the ledger.

use std::time::Duration;

use certmill_rehearsal::{Ca, Entry, Operation};
use certmill_telemetry::clock::now_utc;
use certmill_wire::client::Error;
use certmill_wire::{CertificateFilter, CertificateView, ClusterView, MAX_LIMIT, Paging};

use super::door::Door;
use super::promises::{Books, Promises};
use super::seed::ISSUER;

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) cluster: ClusterView,
    /// Those of the demonstration's CA.
    pub(super) certificates: Vec<CertificateView>,
    pub(super) books: Books,
    /// Orders that became a certificate in the last ten seconds.
    pub(super) lately: usize,
    pub(super) promises: Promises,
}

/// What `lately` is.
pub(super) const LATELY: Duration = Duration::from_secs(10);

impl Sight {
    /// Looks.
    ///
    /// # Errors
    /// No api answers.
    pub(super) async fn look(door: &Door, ca: &Ca) -> Result<Self, Error> {
        let cluster = door.ask(async |client| client.cluster().await).await?;
        let (ledger, now) = (ca.ledger(), ca.now());
        let (books, mut certificates) = (Books::of(&ledger), certificates(door).await?);
        for one in certificates.iter_mut().filter(|one| books.beyond(one) > 0) {
            // A page shows certificates and jobs one after the other, not at one instant.
            let id = one.id.clone();
            *one = door
                .ask(async |client| client.certificate(&id).await)
                .await?;
        }
        let recent = ledger.iter().rev().take_while(|one| one.at + LATELY >= now);
        let made = |one: &&Entry| one.operation == Operation::Finalize && one.accepted;
        Ok(Self {
            promises: Promises::of(&books, &certificates, now_utc()),
            cluster,
            certificates,
            books,
            lately: recent.filter(made).count(),
        })
    }

    /// The certificate that ends first, and in how many seconds.
    pub(super) fn tightest(&self) -> Option<(&str, i64)> {
        let now = now_utc();
        let ends = self.certificates.iter().filter_map(|one| {
            let version = one.version.as_ref()?;
            Some((one.name.as_str(), (version.not_after - now).whole_seconds()))
        });
        ends.min_by_key(|(_, left)| *left)
    }

    /// How many have a version.
    pub(super) fn issued(&self) -> usize {
        let issued = |one: &&CertificateView| one.version.is_some();
        self.certificates.iter().filter(issued).count()
    }
}

async fn certificates(door: &Door) -> Result<Vec<CertificateView>, Error> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let filter = CertificateFilter {
            paging: Paging {
                limit: Some(MAX_LIMIT),
                cursor: cursor.take(),
            },
            ..CertificateFilter::default()
        };
        let page = door
            .ask(async |client| client.certificates(&filter).await)
            .await?;
        // The certificates of the apis themselves come from the local CA.
        all.extend(page.data.into_iter().filter(|one| one.issuer == ISSUER));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}
