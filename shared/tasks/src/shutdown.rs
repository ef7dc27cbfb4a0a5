//! The wish to end, as a token that is handed down.
//!
//! Invariant: a request is final and reaches every clone and every child, never a parent.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Says whether this process (or one part of it) was asked to end; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A token that nobody has asked to end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that holds this token to end; asking again changes nothing.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves once the end is asked for; at once if it was already.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.token.clone().cancelled_owned()
    }

    /// A token that ends with this one, but may be asked to end on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
        }
    }

    /// Runs `future` until it ends or the end is asked for; `None` means it was dropped midway.
    pub async fn cut_short<F: Future>(&self, future: F) -> Option<F::Output> {
        self.token.run_until_cancelled(future).await
    }

    pub(crate) fn ticker_token(&self) -> CancellationToken {
        self.token.child_token()
    }
}
