//! Clients that ask for certificates, through the product's own client.
//!
//! Invariant: everything that is asked for stands in the history.

use std::time::{Duration, Instant};

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_wire::client::Client;
use certmill_wire::{BulkCertificateRequest, CertificateRequest, ProfileRequest, RenewRequest};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use certmill_loadtest::history::{History, Ids, now};

/// The profile of certificates that live for a minute.
const PROFILE: &str = "minute";
/// Most certificates of one run.
const CERTIFICATES_MAX: usize = 110;

/// One client with its log.
pub struct Workload {
    client: Client,
    rng: StdRng,
    known: Vec<(String, String)>,
    asked: usize,
    /// The profile that every third certificate is asked of.
    pub beside: Option<&'static str>,
    /// What it saw.
    pub history: History,
}

impl Workload {
    /// Makes the profile, then the client's work can begin.
    pub async fn begin(client: Client, seed: u64) -> Self {
        let profile = ProfileRequest {
            name: PROFILE.to_owned(),
            lifetime_s: 60,
            ..ProfileRequest::default()
        };
        client.add_profile(&profile).await.unwrap();
        let too_short = ProfileRequest {
            name: "too-short".to_owned(),
            lifetime_s: 49,
            ..ProfileRequest::default()
        };
        let refused = client.add_profile(&too_short).await.unwrap_err();
        assert!(
            refused.to_string().contains("ten process leases"),
            "{refused}"
        );
        Self {
            client,
            rng: StdRng::seed_from_u64(seed),
            known: Vec::new(),
            asked: 0,
            beside: None,
            history: History::default(),
        }
    }

    /// Works for this long: a bulk request, then one operation after the other.
    pub async fn run(&mut self, length: Duration) {
        let end = Instant::now() + length;
        self.bulk(30).await;
        self.go_on(end.saturating_duration_since(Instant::now()))
            .await;
    }

    /// Asks another api from now on.
    pub fn through(&mut self, client: &Client) {
        self.client = client.clone();
    }

    /// One operation after the other for this long.
    pub async fn go_on(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            match self.rng.random_range(0..10) {
                0 => self.refused().await,
                1 | 2 => self.renew().await,
                _ if self.asked < CERTIFICATES_MAX => self.request().await,
                _ => {}
            }
            let pause = Duration::from_millis(self.rng.random_range(300..1500));
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Asks for many at once.
    pub async fn bulk(&mut self, many: usize) {
        let certificates: Vec<CertificateRequest> = (0..many).map(|_| self.next()).collect();
        let t0 = now();
        let answer = self
            .client
            .request_certificates(&BulkCertificateRequest {
                certificates: certificates.clone(),
            })
            .await;
        match &answer {
            Ok(answer) => {
                assert_eq!((answer.accepted, answer.refused), (many, 0), "{answer:?}");
                for item in &answer.items {
                    let (certificate, job) = (
                        item.certificate_id.as_deref().unwrap(),
                        item.job_id.as_deref().unwrap(),
                    );
                    self.history
                        .note("bulk", &item.name, t0, Ok(Ids { certificate, job }))
                        .unwrap();
                    self.known.push((item.name.clone(), certificate.to_owned()));
                }
            }
            Err(error) => {
                for one in &certificates {
                    self.history
                        .note("bulk", &one.name, t0, Err(error))
                        .unwrap();
                }
            }
        }
    }

    /// Asks for one more.
    pub async fn request(&mut self) {
        let request = self.next();
        let t0 = now();
        let answer = self.client.request_certificate(&request).await;
        if let Ok(accepted) = &answer {
            self.known
                .push((request.name.clone(), accepted.certificate.id.clone()));
        }
        let ids = answer.as_ref().map(|a| Ids {
            certificate: &a.certificate.id,
            job: &a.job.id,
        });
        self.history
            .note("request", &request.name, t0, ids)
            .unwrap();
    }

    /// Renews a known one by hand, out of turn.
    async fn renew(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let (name, id) = self.known[self.rng.random_range(0..self.known.len())].clone();
        let t0 = now();
        let answer = self
            .client
            .renew_certificate(&id, &RenewRequest::default())
            .await;
        let ids = answer.as_ref().map(|a| Ids {
            certificate: &a.certificate.id,
            job: &a.job.id,
        });
        self.history.note("renew", &name, t0, ids).unwrap();
    }

    /// Asks for what must be refused: a profile that is not there.
    async fn refused(&mut self) {
        let mut request = self.next();
        request.profile = Some("no-such-profile".to_owned());
        let t0 = now();
        let answer = self.client.request_certificate(&request).await;
        let ids = answer.as_ref().map(|a| Ids {
            certificate: &a.certificate.id,
            job: &a.job.id,
        });
        self.history
            .note("request", &request.name, t0, ids)
            .unwrap();
        assert!(
            answer.is_err(),
            "a profile that is not there was accepted: {}",
            request.name
        );
    }

    fn next(&mut self) -> CertificateRequest {
        self.asked += 1;
        let name = format!("n{}.process.test", self.asked);
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request = csr::create(&key, &Names::parse([&name]).unwrap()).unwrap();
        let beside = self.beside.filter(|_| self.asked.is_multiple_of(3));
        CertificateRequest {
            name,
            profile: Some(beside.unwrap_or(PROFILE).to_owned()),
            csr: Some(csr::to_pem(&request)),
            ..CertificateRequest::default()
        }
    }
}
