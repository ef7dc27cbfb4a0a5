//! Calls over HTTP, and what their answers mean.

use std::error::Error as _;
use std::time::Duration;

use certmill_spi::Fault;
use reqwest::{Client, Method, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::Value;

use super::config::RehearsalConfig;

/// Longest answer that is read.
const ANSWER_MAX: usize = 256 * 1024;

/// The CA at the other end.
pub(super) struct Calls {
    client: Client,
    base: Url,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Calls {
    pub(super) fn new(config: &RehearsalConfig) -> Result<Self, Fault> {
        let base = Url::parse(&config.url).map_err(|why| {
            wrong(&format!(
                "url is no URL ({why}); write http://127.0.0.1:PORT"
            ))
        })?;
        let is_loopback = match base.host_str() {
            Some(host) => host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback()),
            None => false,
        };
        if base.scheme() != "http" || !is_loopback {
            return Err(wrong(
                "url must be http:// and an address of this machine: the rehearsal CA is a fake, and \
                 speaks to nobody else",
            ));
        }
        let timeout = Duration::from_millis(u64::from(config.timeout_ms.max(1)));
        let client = Client::builder()
            .timeout(timeout)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|why| wrong(&why.to_string()))?;
        Ok(Self { client, base })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let url = self
            .base
            .join(path)
            .map_err(|why| wrong(&why.to_string()))?;
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(Fault::rejected(
                    "answer_too_large",
                    "the CA's answer does not end",
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|_| Fault::retry("answer_unreadable", "the CA did not answer with JSON"));
        }
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
            code: "unexpected_answer".to_owned(),
            detail: "the CA gave no reason".to_owned(),
        });
        Err(refused(status, problem, retry_after(&headers)))
    }
}

fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

fn wrong(why: &str) -> Fault {
    Fault::misconfigured("issuer_config_invalid", why.to_owned())
}

fn unreachable(why: reqwest::Error) -> Fault {
    let code = if why.is_timeout() {
        "ca_timeout"
    } else {
        "ca_unreachable"
    };
    let cause = why.source().map(ToString::to_string).unwrap_or_default();
    Fault::retry(code, format!("the CA did not answer: {why} {cause}")).caused_by(why)
}

fn refused(status: StatusCode, problem: Problem, wait: Option<Duration>) -> Fault {
    let detail = format!("{} ({status})", problem.detail);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = wait.unwrap_or(Duration::from_secs(60));
        return Fault::wait(certmill_spi::RATE_LIMITED, detail, wait);
    }
    if status.is_server_error() {
        let mut fault = Fault::retry(problem.code, detail);
        fault.retry_after = wait;
        return fault;
    }
    Fault::rejected(problem.code, detail)
}
