//! The stable codes of problems: the contract that scripts rely on.
//!
//! Invariant: a code is never renamed and never changes its status.

/// A kind of problem; domain faults bring finer codes of their own under one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    /// The body is not JSON.
    InvalidJson,
    /// The body has faults; `errors` lists them all.
    InvalidRequest,
    /// A filter or paging parameter has a fault.
    InvalidQuery,
    /// The cursor is not one of ours, or of another list.
    InvalidCursor,
    /// An id of a wrong prefix or form.
    InvalidId,
    /// `Idempotency-Key` is empty, too long or not printable.
    InvalidIdempotencyKey,
    /// No key, or one that is not known.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// Nothing of that id.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body came too slowly.
    RequestTimeout,
    /// The state does not allow it.
    Conflict,
    /// The name is taken.
    AlreadyExists,
    /// The same `Idempotency-Key` is still at work.
    IdempotencyInProgress,
    /// The first answer showed a secret and is not repeated.
    SecretShownOnce,
    /// The body is too large.
    BodyTooLarge,
    /// The URL is too long.
    UriTooLong,
    /// The body must be JSON.
    UnsupportedMediaType,
    /// The same `Idempotency-Key` with another body.
    IdempotencyMismatch,
    /// Too many requests.
    RateLimited,
    /// The headers are too large.
    HeadersTooLarge,
    /// A fault of ours.
    Internal,
    /// This replica does not serve yet.
    NotReady,
    /// Too much at once.
    Overloaded,
    /// The database does not answer.
    DatabaseUnavailable,
}

impl ProblemCode {
    /// All codes.
    pub const ALL: &[Self] = &[
        Self::InvalidJson,
        Self::InvalidRequest,
        Self::InvalidQuery,
        Self::InvalidCursor,
        Self::InvalidId,
        Self::InvalidIdempotencyKey,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::AlreadyExists,
        Self::IdempotencyInProgress,
        Self::SecretShownOnce,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::IdempotencyMismatch,
        Self::RateLimited,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::NotReady,
        Self::Overloaded,
        Self::DatabaseUnavailable,
    ];

    /// Code, status and title.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidJson => ("invalid_json", 400, "The body is not valid JSON"),
            Self::InvalidRequest => ("invalid_request", 400, "The request has faults"),
            Self::InvalidQuery => ("invalid_query", 400, "A query parameter has a fault"),
            Self::InvalidCursor => ("invalid_cursor", 400, "The cursor is not valid here"),
            Self::InvalidId => ("invalid_id", 400, "The id has a wrong form"),
            Self::InvalidIdempotencyKey => (
                "invalid_idempotency_key",
                400,
                "The Idempotency-Key has a wrong form",
            ),
            Self::Unauthenticated => ("unauthenticated", 401, "A valid API key is needed"),
            Self::Forbidden => ("forbidden", 403, "The API key may not do this"),
            Self::NotFound => ("not_found", 404, "Not found"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed"),
            Self::RequestTimeout => ("request_timeout", 408, "The request came too slowly"),
            Self::Conflict => ("conflict", 409, "The present state does not allow this"),
            Self::AlreadyExists => ("already_exists", 409, "The name is taken"),
            Self::IdempotencyInProgress => (
                "idempotency_in_progress",
                409,
                "The same request is still at work",
            ),
            Self::SecretShownOnce => ("secret_shown_once", 409, "The answer is shown only once"),
            Self::BodyTooLarge => ("body_too_large", 413, "The body is too large"),
            Self::UriTooLong => ("uri_too_long", 414, "The URL is too long"),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415, "The body must be JSON"),
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                422,
                "The Idempotency-Key was used for another request",
            ),
            Self::RateLimited => ("rate_limited", 429, "Too many requests"),
            Self::HeadersTooLarge => ("headers_too_large", 431, "The headers are too large"),
            Self::Internal => ("internal", 500, "A fault on our side"),
            Self::NotReady => ("not_ready", 503, "This replica does not serve yet"),
            Self::Overloaded => ("overloaded", 503, "Too much at once"),
            Self::DatabaseUnavailable => {
                ("database_unavailable", 503, "The database does not answer")
            }
        }
    }

    /// The code as it stands in `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// A short title that does not vary.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self.status(), 408 | 429 | 503) || matches!(self, Self::IdempotencyInProgress)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_words() {
        let codes: BTreeSet<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ProblemCode::ALL.len());
        for code in ProblemCode::ALL {
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!((400..600).contains(&code.status()) && !code.title().is_empty());
        }
    }
}
