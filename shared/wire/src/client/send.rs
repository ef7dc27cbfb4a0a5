//! Sends one call with its tries.
//!
//! Invariant: all tries of a call carry the same request id and, for a POST, the same
//! `Idempotency-Key`, and together they stay within the call's time.

use std::time::{Duration, Instant};

use certmill_tasks::backoff;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, StatusCode};
use rand::RngExt as _;
use reqwest::{Response, Url};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, Error};
use crate::{Problem, ProblemCode};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One call, before it is sent.
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    accept: &'static str,
}

impl Client {
    /// A GET of a path made of these segments, with these query parameters.
    pub(super) fn get(&self, path: &[&str], query: &[(String, String)]) -> Result<Call, Error> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(Call {
            method: Method::GET,
            url,
            body: None,
            accept: "application/json",
        })
    }

    /// A POST of a JSON body.
    pub(super) fn post(&self, path: &[&str], body: &impl Serialize) -> Result<Call, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::config(format!("the request cannot be written: {error}")))?;
        let url = self.url(path)?;
        Ok(Call {
            method: Method::POST,
            url,
            body: Some(body),
            accept: "application/json",
        })
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let bytes = self.send(call).await?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
            url: self.base_url().to_owned(),
            why: format!("line {} column {}", error.line(), error.column()),
        })
    }

    pub(super) async fn text(&self, mut call: Call, accept: &'static str) -> Result<String, Error> {
        call.accept = accept;
        let bytes = self.send(call).await?;
        String::from_utf8(bytes).map_err(|_| Error::Answer {
            url: self.base_url().to_owned(),
            why: "not UTF-8".to_owned(),
        })
    }

    async fn send(&self, call: Call) -> Result<Vec<u8>, Error> {
        let (request_id, idempotency_key) = (random_hex(), random_hex());
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let left = self.call_timeout.saturating_sub(started.elapsed());
            let tried = self
                .send_once(&call, &request_id, &idempotency_key, left)
                .await;
            let error = match tried {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let wait = backoff::delay(attempt, FIRST_WAIT, LONGEST_WAIT, &mut rand::rng());
            let asked = error
                .problem()
                .and_then(|problem| problem.retry_after_s)
                .unwrap_or(0);
            let wait = wait.max(Duration::from_secs(asked));
            if attempt >= self.tries
                || !error.may_pass()
                || started.elapsed() + wait >= self.call_timeout
            {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn send_once(
        &self,
        call: &Call,
        request_id: &str,
        idempotency_key: &str,
        left: Duration,
    ) -> Result<Vec<u8>, Error> {
        let timeout = self.try_timeout.min(left);
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .timeout(timeout)
            .header(ACCEPT, call.accept)
            .header("x-request-id", request_id);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .header("idempotency-key", idempotency_key)
                .body(body.clone());
        }
        let failed = |error: reqwest::Error| Error::of_transport(self.base_url(), &error, timeout);
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read(response).await.map_err(failed)?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(Error::Problem(Box::new(problem_of(
            status, &headers, &bytes,
        ))))
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        // A segment of dots would climb to another endpoint, an empty one name a list.
        if path
            .iter()
            .any(|segment| segment.trim_matches('.').is_empty())
        {
            let problem = Problem::new(ProblemCode::InvalidId, "the id is empty or only dots");
            return Err(Error::Problem(Box::new(problem)));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        Ok(url)
    }
}

async fn read(response: Response) -> reqwest::Result<Vec<u8>> {
    Ok(response.bytes().await?.to_vec())
}

/// The problem of an answer; one is made up where something between us and the server answered.
fn problem_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Problem {
    let parsed = serde_json::from_slice::<Problem>(body)
        .ok()
        .filter(|problem| problem.status != 0);
    let mut problem = parsed.unwrap_or_else(|| Problem {
        title: status.canonical_reason().unwrap_or("failed").to_owned(),
        status: status.as_u16(),
        detail: format!("the server answered {status} without a reason"),
        code: format!("http_{}", status.as_u16()),
        ..Problem::default()
    });
    if problem.retry_after_s.is_none() {
        let header = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        problem.retry_after_s = header.and_then(|value| value.parse().ok());
    }
    problem
}

/// 128 random bits, for ids that only have to be unlike each other.
fn random_hex() -> String {
    hex::encode(rand::rng().random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::client::ClientConfig;

    #[test]
    fn paths_are_encoded_and_cannot_climb() {
        let client = Client::new(ClientConfig::new("https://h/api/v1/")).unwrap();
        let url = client.url(&["api", "v1", "certificates", "a/b?c"]).unwrap();
        assert_eq!(url.as_str(), "https://h/api/v1/certificates/a%2Fb%3Fc");
        let url = client.url(&["api", "v1", "certificates:bulk"]).unwrap();
        assert_eq!(url.path(), "/api/v1/certificates:bulk");
        for bad in ["", ".", ".."] {
            assert_eq!(client.url(&["api", bad]).unwrap_err().exit_code(), 4);
        }
    }

    #[test]
    fn foreign_answers_become_problems() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        let problem = problem_of(StatusCode::BAD_GATEWAY, &headers, b"<html>");
        assert_eq!((problem.status, problem.retry_after_s), (502, Some(3)));
        let ours = Problem::new(ProblemCode::NotFound, "no such certificate");
        let body = serde_json::to_vec(&ours).unwrap();
        assert_eq!(
            problem_of(StatusCode::NOT_FOUND, &HeaderMap::new(), &body),
            ours
        );
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_quickly_so() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut config = ClientConfig::new(format!("https://{closed}"));
        config.call_timeout = Duration::from_millis(300);
        let error = Client::new(config).unwrap().version().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 10);
    }

    #[tokio::test]
    async fn a_silent_server_is_a_time_out() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = ClientConfig::new(format!("https://{}", silent.local_addr().unwrap()));
        config.call_timeout = Duration::from_millis(200);
        let error = Client::new(config).unwrap().health().await.unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error:?}");
    }
}
