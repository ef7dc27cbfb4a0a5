//! The protocol: JSON over HTTP.
//!
//! `POST /orders` asks for an order, `POST /orders/{number}/finalize` sends its CSR,
//! `GET /orders/{number}` tells its state with the chain, `POST /revocations` revokes a leaf.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use certmill_crypto::csr::Csr;
use certmill_domain::names::Names;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::ca::State;
use crate::orders::{Finalized, Order};
use crate::{Entry, Operation};

/// Its routes.
pub(crate) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/", get(directory))
        .route("/orders", post(new_order))
        .route("/orders/{number}", get(order))
        .route("/orders/{number}/finalize", post(finalize))
        .route("/revocations", post(revoke))
        .with_state(state)
}

#[derive(Deserialize)]
struct NewOrder {
    names: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
}

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

#[derive(Deserialize)]
struct Revoke {
    certificate: String,
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    (status, Json(json!({ "code": code, "detail": detail }))).into_response()
}

/// Delays, refuses or swallows as the faults say; `work` is not done where it refuses.
async fn faulty(state: &State, work: impl FnOnce(&State) -> Response) -> Response {
    let faults = state.faults();
    tokio::time::sleep(faults.delay).await;
    if faults.refuses() {
        let why = "the CA is out of order";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
    }
    let answer = work(state);
    if faults.swallows() {
        return std::future::pending().await;
    }
    answer
}

async fn directory(Shared(state): Shared<Arc<State>>) -> Response {
    faulty(&state, |_| {
        Json(json!({ "name": "rehearsal" })).into_response()
    })
    .await
}

async fn new_order(Shared(state): Shared<Arc<State>>, Json(asked): Json<NewOrder>) -> Response {
    faulty(&state, |state| {
        let Ok(names) = Names::parse(&asked.names) else {
            return problem(StatusCode::BAD_REQUEST, "bad_names", "a name is not one");
        };
        let mut books = state.books();
        let now = books.ledger.now();
        let counted = books.limits.count(&names, now);
        let order = counted.is_ok().then(|| {
            books.orders.add(Order {
                names,
                not_before: asked.not_before,
                not_after: asked.not_after,
                finalized: None,
            })
        });
        books.ledger.note(Entry {
            at: now,
            operation: Operation::NewOrder,
            order,
            names: asked.names,
            accepted: counted.is_ok(),
        });
        match counted {
            Ok(()) => (StatusCode::CREATED, Json(json!({ "order": order }))).into_response(),
            Err(wait) => rate_limited(wait),
        }
    })
    .await
}

fn rate_limited(wait: Duration) -> Response {
    let mut answer = problem(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "too many new orders",
    );
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn no_order() -> Response {
    problem(StatusCode::NOT_FOUND, "no_order", "there is no such order")
}

async fn order(Shared(state): Shared<Arc<State>>, Path(number): Path<u64>) -> Response {
    faulty(&state, |state| {
        let processing = state.faults().processing;
        let books = state.books();
        let Some(order) = books.orders.by_number.get(&number) else {
            return no_order();
        };
        let answer = match &order.finalized {
            None => json!({ "status": "ready" }),
            Some(finalized) if books.ledger.now() < finalized.at + processing => {
                json!({ "status": "processing" })
            }
            Some(finalized) => {
                let chain = finalized.chain.iter().map(|der| BASE64.encode(der));
                json!({ "status": "valid", "chain": chain.collect::<Vec<_>>() })
            }
        };
        Json(answer).into_response()
    })
    .await
}

async fn finalize(
    Shared(state): Shared<Arc<State>>,
    Path(number): Path<u64>,
    Json(asked): Json<Finalize>,
) -> Response {
    faulty(&state, |state| {
        let mut books = state.books();
        let now = books.ledger.now();
        let Some(order) = books.orders.by_number.get_mut(&number) else {
            return no_order();
        };
        let names = order.names.to_texts();
        let done = match &order.finalized {
            Some(_) => Err(problem(
                StatusCode::CONFLICT,
                "not_ready",
                "the order is finalized already",
            )),
            None => issue(state, order, &asked.csr)
                .map(|chain| order.finalized = Some(Finalized { at: now, chain }))
                .map_err(|why| problem(StatusCode::BAD_REQUEST, "bad_csr", &why)),
        };
        books.ledger.note(Entry {
            at: now,
            operation: Operation::Finalize,
            order: Some(number),
            names,
            accepted: done.is_ok(),
        });
        match done {
            Ok(()) => Json(json!({ "status": "processing" })).into_response(),
            Err(answer) => answer,
        }
    })
    .await
}

/// The chain, or what is wrong with the CSR.
fn issue(state: &State, order: &Order, csr: &str) -> Result<Vec<Vec<u8>>, String> {
    let der = BASE64
        .decode(csr.as_bytes())
        .map_err(|_| "the CSR is not base64".to_owned())?;
    let csr = Csr::admitted(&der).map_err(|why| why.to_string())?;
    state
        .authority
        .sign(csr, &order.names, order.not_before, order.not_after)
        .map_err(|why| why.to_string())
}

async fn revoke(Shared(state): Shared<Arc<State>>, Json(asked): Json<Revoke>) -> Response {
    faulty(&state, |state| {
        let Ok(der) = BASE64.decode(asked.certificate.as_bytes()) else {
            let why = "the certificate is not base64";
            return problem(StatusCode::BAD_REQUEST, "bad_certificate", why);
        };
        let mut books = state.books();
        let at = books.ledger.now();
        let is_leaf = |order: &&Order| {
            let finalized = order.finalized.as_ref();
            finalized.is_some_and(|finalized| finalized.chain.first() == Some(&der))
        };
        let found = books.orders.by_number.values().find(is_leaf);
        let names = found.map(|order| order.names.to_texts());
        let accepted = names.is_some();
        books.ledger.note(Entry {
            at,
            operation: Operation::Revoke,
            order: None,
            names: names.unwrap_or_default(),
            accepted,
        });
        match accepted {
            true => Json(json!({})).into_response(),
            false => problem(
                StatusCode::NOT_FOUND,
                "no_certificate",
                "it was not issued here",
            ),
        }
    })
    .await
}
