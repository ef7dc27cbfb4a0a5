//! The running CA.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use certmill_tasks::{Shutdown, Tasks};
use tokio::net::TcpListener;

use crate::authority::{Authority, AuthorityError};
use crate::http;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::orders::Orders;
use crate::{Entry, Faults, Limit};

/// It did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its key and root.
    #[error("the rehearsal CA has no key: {0}")]
    Authority(#[from] AuthorityError),
    /// Its port.
    #[error("the rehearsal CA cannot listen on loopback: {0}")]
    Listen(#[from] std::io::Error),
}

/// A CA on a port of its own; it ends with this value.
pub struct Ca {
    address: SocketAddr,
    state: Arc<State>,
    tasks: Tasks,
}

/// What its requests share.
pub(crate) struct State {
    pub authority: Authority,
    books: Mutex<Books>,
    faults: Mutex<Faults>,
}

/// What changes together.
pub(crate) struct Books {
    pub ledger: Ledger,
    pub limits: Limits,
    pub orders: Orders,
}

impl State {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ca {
    /// Starts one that accepts new orders within these limits.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(limits: Vec<Limit>) -> Result<Self, StartError> {
        let state = Arc::new(State {
            authority: Authority::create()?,
            books: Mutex::new(Books {
                ledger: Ledger::new(),
                limits: Limits::new(limits),
                orders: Orders::default(),
            }),
            faults: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tasks = Tasks::new(Shutdown::new());
        let routes = http::routes(Arc::clone(&state));
        let shutdown = tasks.shutdown_token();
        tasks.spawn("rehearsal_ca", async move {
            let served = axum::serve(listener, routes).into_future();
            shutdown.cut_short(served).await;
        });
        Ok(Self {
            address,
            state,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its ledger so far.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.state.books().ledger.read()
    }

    /// Since it started, by the clock of its ledger.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state.books().ledger.now()
    }

    /// Changes what is wrong with it.
    pub fn set_faults(&self, faults: Faults) {
        *self
            .state
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        self.tasks.shutdown_token().request();
    }
}
