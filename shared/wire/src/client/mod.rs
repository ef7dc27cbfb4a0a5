//! The one client of the API, for the command line, agents and load tests.
//!
//! Invariant: HTTPS with TLS 1.3 only, redirects are not followed, and a POST whose outcome is
//! unknown is repeated only under the same `Idempotency-Key`.

mod base_url;
mod calls;
mod error;
mod send;

use std::time::Duration;

use certmill_settings::Secret;
use reqwest::redirect::Policy;
use reqwest::tls::Version;
use reqwest::{Certificate, Url};

pub use error::Error;

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `https://host:port`; a trailing slash or `/api/v1` is tolerated.
    pub base_url: String,
    /// The bearer key; without one only the open endpoints answer.
    pub api_key: Option<Secret>,
    /// PEM of the only trust anchors; `None` means those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// Time for a connection.
    pub connect_timeout: Duration,
    /// Time for one try.
    pub try_timeout: Duration,
    /// Time for a call with all its tries.
    pub call_timeout: Duration,
    /// Most tries of a call; with one, whatever stays in doubt is the caller's to settle.
    pub tries: u32,
}

impl ClientConfig {
    /// A configuration with the usual patience: 5 s to connect, 10 s a try, four tries, 30 s a call.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: None,
            ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            try_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            tries: 4,
        }
    }

    /// Authenticates with this key.
    #[must_use]
    pub fn with_api_key(mut self, key: Secret) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Trusts these certificates (PEM) and no others.
    #[must_use]
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }
}

/// A client of one server; cheap to clone, keeps its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    api_key: Option<Secret>,
    try_timeout: Duration,
    call_timeout: Duration,
    tries: u32,
}

impl Client {
    /// Makes a client; connects on the first call.
    ///
    /// # Errors
    /// [`Error::Config`] if the URL is not `https://` or the trust anchors cannot be read.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let base = base_url::normalise(&config.base_url)?;
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .tls_version_min(Version::TLS_1_3)
            .redirect(Policy::none())
            .connect_timeout(config.connect_timeout)
            .user_agent(concat!("certmill/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &config.ca_pem {
            builder = builder.tls_certs_only(trust_anchors(pem)?);
        }
        let http = builder.build().map_err(|error| {
            Error::config(format!(
                "the TLS client cannot be made: {}",
                error::chain(&error)
            ))
        })?;
        Ok(Self {
            http,
            base,
            api_key: config.api_key,
            try_timeout: config.try_timeout,
            call_timeout: config.call_timeout,
            tries: config.tries,
        })
    }

    /// The server's address without a path.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

fn trust_anchors(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    let anchors = Certificate::from_pem_bundle(pem)
        .map_err(|_| Error::config("the CA file is not PEM; name the server's ca.pem"))?;
    if anchors.is_empty() {
        return Err(Error::config(
            "the CA file holds no certificate; name the server's ca.pem",
        ));
    }
    Ok(anchors)
}
