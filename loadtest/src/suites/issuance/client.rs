//! Clients with a kept connection each, that send what was made beforehand.
//!
//! Invariant: an answer that is not an acceptance of everything asked ends the run.

use std::cell::Cell;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use reqwest::{Certificate, Method, RequestBuilder, Response};
use secrecy::ExposeSecret as _;

use crate::rig::Door;

/// One client with its connection.
pub struct Sender {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Sender {
    /// A client that has made its connection already.
    ///
    /// # Errors
    /// The API does not answer.
    pub async fn connected(door: &Door) -> Result<Self> {
        let root = Certificate::from_pem(door.root_pem.as_bytes())?;
        let http = reqwest::Client::builder()
            .tls_certs_only([root])
            .http1_only()
            .build()?;
        let sender = Self {
            http,
            url: door.url.clone(),
            key: door.key.expose_secret().to_owned(),
        };
        sender.body(Method::GET, "/ready", None).await?;
        Ok(sender)
    }

    /// Posts a body and hands back the answer, which must be a success.
    ///
    /// # Errors
    /// Any other answer, with its words.
    pub async fn post(&self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.body(Method::POST, path, Some(body)).await
    }

    /// Posts a body and waits up to 15 s for the job's end.
    ///
    /// # Errors
    /// Any answer but 200, which says that the certificate is issued.
    pub async fn post_and_wait(&self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let request = self.request(Method::POST, path, Some(body));
        let response = request.header("prefer", "wait=15").send().await?;
        let status = response.status();
        ensure!(
            status.as_u16() == 200,
            "not issued within the wait: {status}"
        );
        Ok(response.bytes().await?.to_vec())
    }

    /// Gets a path.
    ///
    /// # Errors
    /// Any answer but a success.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.body(Method::GET, path, None).await
    }

    async fn body(&self, method: Method, path: &str, body: Option<&[u8]>) -> Result<Vec<u8>> {
        let response = self.request(method, path, body).send().await?;
        read(path, response).await
    }

    fn request(&self, method: Method, path: &str, body: Option<&[u8]>) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.key);
        match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_vec()),
            None => request,
        }
    }
}

async fn read(path: &str, response: Response) -> Result<Vec<u8>> {
    let status = response.status();
    let bytes = response.bytes().await?;
    if !status.is_success() {
        bail!("{path}: {status}: {}", String::from_utf8_lossy(&bytes));
    }
    Ok(bytes.to_vec())
}

/// Sends all bodies, each client the next one as soon as its last was answered.
///
/// # Errors
/// The first answer that is not an acceptance of everything asked.
pub async fn send_all(clients: &[Sender], path: &str, bodies: &[Vec<u8>]) -> Result<()> {
    let next = Cell::new(0);
    try_join_all(clients.iter().map(|client| {
        let next = &next;
        async move {
            while let Some(body) = bodies.get(next.replace(next.get() + 1)) {
                accepted(&client.post(path, body).await?)?;
            }
            anyhow::Ok(())
        }
    }))
    .await?;
    Ok(())
}

/// A bulk call is answered with a success even where it refuses some.
fn accepted(answer: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(answer).context("an answer that is no text")?;
    let refused = text.contains("\"refused\":") && !text.contains("\"refused\":0");
    ensure!(!refused, "some were refused: {text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_refusal_is_a_failure() {
        assert!(accepted(br#"{"accepted":2,"refused":0,"items":[]}"#).is_ok());
        assert!(accepted(br#"{"accepted":1,"refused":1,"items":[]}"#).is_err());
    }
}
