//! A client that asks for certificates, one operation after the other, until it is told to stop.
//!
//! Invariant: everything that is asked for stands in the history. Every other client sends each call
//! once, so that doubts stay doubts; the others repeat under one `Idempotency-Key` and must never
//! have made two of one.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Result, bail};
use certmill_wire::client::{Client, ClientConfig};
use certmill_wire::{BulkCertificateRequest, CertificateRequest, ProfileRequest, RenewRequest};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::history::{History, Ids, now};
use crate::rig::Door;
use crate::suites::issuance::workload;

/// The profile of certificates that come due during a long run.
pub const PROFILE: &str = "short";
const LIFETIME_S: i64 = 100;
/// Most certificates of one client.
const CERTIFICATES_MAX: usize = 120;

/// How long and how often a client asks.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time for one try; a call has twice that.
    pub try_timeout: Duration,
    /// Most tries.
    pub tries: u32,
}

impl Patience {
    /// Of the `nth` client.
    pub fn of(nth: usize) -> Self {
        Self {
            try_timeout: Duration::from_secs(4),
            tries: if nth.is_multiple_of(2) { 4 } else { 1 },
        }
    }
}

/// One client.
pub struct Caller<'a> {
    nth: usize,
    clients: Vec<Client>,
    history: &'a History,
    rng: StdRng,
    known: Vec<(String, String)>,
    asked: usize,
}

/// A client of an api.
///
/// # Errors
/// The root cannot be read.
pub fn client(door: &Door, patience: Patience) -> Result<Client> {
    let mut config = ClientConfig::new(&door.url)
        .with_api_key(door.key.clone())
        .with_ca_pem(door.root_pem.clone());
    config.connect_timeout = Duration::from_secs(2);
    config.try_timeout = patience.try_timeout;
    config.call_timeout = patience.try_timeout * 2;
    config.tries = patience.tries;
    Ok(Client::new(config)?)
}

/// Makes the profile that all clients ask by.
///
/// # Errors
/// The api refuses it.
pub async fn add_profile(client: &Client) -> Result<()> {
    let profile = ProfileRequest {
        name: PROFILE.to_owned(),
        lifetime_s: LIFETIME_S,
        ..ProfileRequest::default()
    };
    client.add_profile(&profile).await?;
    Ok(())
}

impl<'a> Caller<'a> {
    /// The `nth` client of a run, which asks any of these.
    ///
    /// # Errors
    /// A root cannot be read.
    pub fn new(nth: usize, seed: u64, doors: &[Door], history: &'a History) -> Result<Self> {
        let patience = Patience::of(nth);
        let clients = doors.iter().map(|door| client(door, patience));
        Ok(Self {
            nth,
            clients: clients.collect::<Result<_>>()?,
            history,
            rng: StdRng::seed_from_u64(seed.wrapping_add(nth as u64)),
            known: Vec::new(),
            asked: 0,
        })
    }

    /// Works until `stop`.
    ///
    /// # Errors
    /// An answer that makes no sense.
    pub async fn run(&mut self, stop: &Cell<bool>) -> Result<()> {
        while !stop.get() {
            match self.rng.random_range(0..12) {
                0 => self.refused().await?,
                1 | 2 => self.renew().await?,
                3 => self.bulk(12).await?,
                _ => self.request().await?,
            }
            let pause = Duration::from_millis(self.rng.random_range(20..250));
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn any(&mut self) -> Client {
        self.clients[self.rng.random_range(0..self.clients.len())].clone()
    }

    async fn bulk(&mut self, many: usize) -> Result<()> {
        if self.asked >= CERTIFICATES_MAX {
            return Ok(());
        }
        let mut certificates = Vec::with_capacity(many);
        for _ in 0..many {
            certificates.push(self.next()?);
        }
        let (client, t0) = (self.any(), now());
        let request = BulkCertificateRequest { certificates };
        match client.request_certificates(&request).await {
            Ok(answer) => {
                if answer.accepted != many {
                    bail!("a bulk request was taken in part: {answer:?}");
                }
                for item in &answer.items {
                    let ids = item.certificate_id.as_deref().zip(item.job_id.as_deref());
                    let Some((certificate, job)) = ids else {
                        bail!("an accepted item without ids: {item:?}");
                    };
                    let ids = Ids { certificate, job };
                    self.history.note("bulk", &item.name, t0, Ok(ids))?;
                    self.known.push((item.name.clone(), certificate.to_owned()));
                }
            }
            Err(error) => {
                for one in &request.certificates {
                    self.history.note("bulk", &one.name, t0, Err(&error))?;
                }
            }
        }
        Ok(())
    }

    async fn request(&mut self) -> Result<()> {
        if self.asked >= CERTIFICATES_MAX {
            return Ok(());
        }
        let (request, client, t0) = (self.next()?, self.any(), now());
        let answer = client.request_certificate(&request).await;
        if let Ok(accepted) = &answer {
            let id = accepted.certificate.id.clone();
            self.known.push((request.name.clone(), id));
        }
        let ids = answer.as_ref().map(|accepted| Ids {
            certificate: &accepted.certificate.id,
            job: &accepted.job.id,
        });
        self.history.note("request", &request.name, t0, ids)
    }

    /// Renews a known one by hand, out of turn.
    async fn renew(&mut self) -> Result<()> {
        if self.known.is_empty() {
            return Ok(());
        }
        let (name, id) = self.known[self.rng.random_range(0..self.known.len())].clone();
        let (client, t0) = (self.any(), now());
        let answer = client
            .renew_certificate(&id, &RenewRequest::default())
            .await;
        let ids = answer.as_ref().map(|accepted| Ids {
            certificate: &accepted.certificate.id,
            job: &accepted.job.id,
        });
        self.history.note("renew", &name, t0, ids)
    }

    /// Asks for what must be refused: a profile that is not there.
    async fn refused(&mut self) -> Result<()> {
        let mut request = self.next()?;
        request.profile = Some("no-such-profile".to_owned());
        let (client, t0) = (self.any(), now());
        match client.request_certificate(&request).await {
            Ok(_) => bail!("a profile that is not there was accepted: {}", request.name),
            Err(error) => self.history.note("request", &request.name, t0, Err(&error)),
        }
    }

    fn next(&mut self) -> Result<CertificateRequest> {
        self.asked += 1;
        let name = format!("n{}.c{}.faults.example.com", self.asked, self.nth);
        let mut request = workload::request(name)?;
        request.profile = Some(PROFILE.to_owned());
        Ok(request)
    }
}
