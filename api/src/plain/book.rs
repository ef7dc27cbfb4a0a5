//! Who the authorities are, and the opened keys that answer for them.
//!
//! Invariant: at most [`LOOK_EVERY`] old while the database answers; a key is opened once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use certmill_crypto::ocsp::Responder;
use certmill_service::status::{self, Authority};
use certmill_service::{Context, Error};
use certmill_tasks::{JitterPercent, JitteredTicker, Shutdown};
use uuid::Uuid;

/// How old the book may be.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// While something is missing.
const LOOK_SOON: Duration = Duration::from_millis(250);

/// What is known at one moment.
#[derive(Default)]
pub(super) struct Book {
    /// All authorities.
    pub authorities: Vec<Authority>,
    /// The responder of each authority, with the id of its row.
    pub responders: HashMap<Uuid, (Uuid, Arc<Responder>)>,
}

/// The current book; none before the first look.
#[derive(Default)]
pub(super) struct Books(RwLock<Option<Arc<Book>>>);

impl Books {
    pub(super) fn current(&self) -> Option<Arc<Book>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, book: Book) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(book));
    }
}

/// Keeps the book until the shutdown, and has keys made where they are missing.
pub(super) async fn keep(context: &Context, books: &Books, shutdown: &Shutdown) {
    let mut ticker = JitteredTicker::new(LOOK_SOON, JitterPercent::default())
        .starting_now()
        .until(shutdown);
    let mut rest = 0;
    while ticker.tick().await.is_some() {
        if rest > 0 {
            rest -= 1;
            continue;
        }
        match look(context, books).await {
            Ok(0) => rest = LOOK_EVERY.as_millis() / LOOK_SOON.as_millis() - 1,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(event = "status_book_not_read", %error);
                rest = LOOK_EVERY.as_millis() / LOOK_SOON.as_millis() - 1;
            }
        }
    }
}

/// One look; how many authorities wait for a responder.
async fn look(context: &Context, books: &Books) -> Result<usize, Error> {
    let waiting = status::want_responders(context).await?;
    let before = books.current();
    let mut responders = HashMap::new();
    for ready in status::responders(&context.pool).await? {
        let known = before
            .as_ref()
            .and_then(|book| book.responders.get(&ready.ca_key_id))
            .filter(|(id, _)| *id == ready.id);
        let responder = match known {
            Some((_, responder)) => Arc::clone(responder),
            None => match status::open(context, &ready) {
                Ok(responder) => Arc::new(responder),
                Err(error) => {
                    tracing::error!(event = "ocsp_responder_not_opened", %error);
                    continue;
                }
            },
        };
        responders.insert(ready.ca_key_id, (ready.id, responder));
    }
    let authorities = status::authorities(&context.pool).await?;
    books.replace(Book {
        authorities,
        responders,
    });
    Ok(waiting)
}
