//! Random bytes from the operating system's generator, through AWS-LC.
//!
//! Invariant: there is no other source of randomness for keys, serials, nonces
//! and tokens in the product.

/// The operating system gave no random bytes. Nothing may be signed, sealed or
/// generated in that state; the caller reports it and stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random generator failed; no key or serial can be made")]
pub struct RandomError;

/// `N` fresh random bytes.
///
/// # Errors
/// [`RandomError`] when the generator fails.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0_u8; N];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| RandomError)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}
