//! A client of all apis: what one does not answer, the next one is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use certmill_settings::Secret;
use certmill_wire::client::{Client, ClientConfig, Error};

use crate::failure::Failure;

/// Clients, and which of them answered last.
#[derive(Clone)]
pub(super) struct Door {
    clients: Arc<Vec<(String, Client)>>,
    last: Arc<AtomicUsize>,
}

impl Door {
    /// Opens it: name and address of each api, the key, what their certificates lead to.
    pub(super) fn open(
        apis: &[(String, String)],
        key: &Secret,
        anchors: &str,
    ) -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for (name, address) in apis {
            let mut config = ClientConfig::new(format!("https://{address}"))
                .with_api_key(key.clone())
                .with_ca_pem(anchors);
            config.connect_timeout = Duration::from_millis(500);
            config.try_timeout = Duration::from_secs(5);
            config.tries = 1;
            let client = Client::new(config).map_err(|why| Failure::of_call("demo", &why))?;
            clients.push((name.clone(), client));
        }
        Ok(Self {
            clients: Arc::new(clients),
            last: Arc::default(),
        })
    }

    /// The api that is asked first.
    pub(super) fn name(&self) -> &str {
        let nth = self.last.load(Ordering::Relaxed);
        self.clients.get(nth).map_or("", |(name, _)| name)
    }

    /// The address of the first.
    pub(super) fn url(&self) -> String {
        let first = self.clients.first();
        first.map_or_else(String::new, |(_, client)| client.base_url().to_owned())
    }

    /// The answer of the first that gives one; the error of the last that did not.
    ///
    /// # Errors
    /// None of them answers, or one refuses.
    pub(super) async fn ask<T>(
        &self,
        call: impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (first, many) = (self.last.load(Ordering::Relaxed), self.clients.len());
        let mut failed = None;
        for nth in (0..many).map(|step| (first + step) % many) {
            match call(&self.clients[nth].1).await {
                Ok(answer) => {
                    self.last.store(nth, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(why) => failed = Some(why),
            }
        }
        Err(failed.unwrap_or_else(|| Error::Config {
            why: "there is no api".to_owned(),
        }))
    }

    /// Each one by itself.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().map(|(_, client)| client)
    }
}
