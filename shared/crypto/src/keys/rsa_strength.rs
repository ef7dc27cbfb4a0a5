//! What an RSA public key must look like before anything is signed for it:
//! size, exponent, no small factor, no close primes, not from the ROCA generator.
//!
//! Invariant: the checks need the public key only and end after a bounded amount
//! of work (about a millisecond for 4096 bits).

use certmill_domain::key::KeyAlgorithm;
use x509_parser::num_bigint::BigUint;

use crate::keys::KeyError;

const BITS_MAX: u64 = 8192;
const EXPONENT_MIN: u64 = 65_537;
/// Rounds of Fermat's method: enough for every known faulty generator, which all
/// fall in the first few.
const FERMAT_ROUNDS: u32 = 100;
const SMALL_PRIME_MAX: u32 = 752;
const ROCA_PRIME_MAX: u32 = 167;

/// Checks modulus and exponent, both as the contents of DER INTEGERs.
pub(super) fn check(modulus: &[u8], exponent: &[u8]) -> Result<KeyAlgorithm, KeyError> {
    let modulus = positive(modulus)?;
    let exponent = positive(exponent)?;
    let bits = modulus.bits();
    if bits > BITS_MAX {
        return Err(KeyError::TooLong { bits });
    }
    let class = usize::try_from(bits)
        .ok()
        .and_then(KeyAlgorithm::of_rsa_bits);
    let class = class.ok_or(KeyError::TooShort { bits })?;
    let exponent = u64::try_from(exponent).map_err(|_| KeyError::Exponent)?;
    if exponent < EXPONENT_MIN || exponent % 2 == 0 {
        return Err(KeyError::Exponent);
    }
    if primes_to(SMALL_PRIME_MAX).any(|prime| remainder(&modulus, prime) == 0) {
        return Err(KeyError::SmallFactor);
    }
    if is_roca(&modulus) {
        return Err(KeyError::Roca);
    }
    if has_close_primes(&modulus) {
        return Err(KeyError::ClosePrimes);
    }
    Ok(class)
}

fn positive(integer: &[u8]) -> Result<BigUint, KeyError> {
    match integer.first() {
        Some(first) if first & 0x80 == 0 => Ok(BigUint::from_bytes_be(integer)),
        _ => Err(KeyError::Malformed),
    }
}

fn remainder(number: &BigUint, prime: u32) -> u32 {
    let rest = number % prime;
    rest.iter_u32_digits().next().unwrap_or(0)
}

fn primes_to(max: u32) -> impl Iterator<Item = u32> {
    (2..=max).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

/// ROCA moduli are a power of 65537 modulo each small prime (Nemec and others,
/// "The Return of Coppersmith's Attack", 2017). A sound key passes all of them by
/// chance once in about 2^28.
fn is_roca(modulus: &BigUint) -> bool {
    primes_to(ROCA_PRIME_MAX).skip(1).all(|prime| {
        let wanted = remainder(modulus, prime);
        let generator = 65_537 % prime;
        let mut power = 1;
        for _ in 0..prime {
            if power == wanted {
                return true;
            }
            power = power * generator % prime;
        }
        false
    })
}

/// Fermat's method: n = a^2 - b^2 with a just above the square root of n.
fn has_close_primes(modulus: &BigUint) -> bool {
    let mut a = modulus.sqrt();
    if &a * &a < *modulus {
        a += 1_u32;
    }
    for _ in 0..FERMAT_ROUNDS {
        let square = &a * &a - modulus;
        if may_be_square(&square) {
            let root = square.sqrt();
            if &root * &root == square {
                return true;
            }
        }
        a += 1_u32;
    }
    false
}

/// Squares are 0, 1, 4 or 9 modulo 16: three of four candidates need no root.
fn may_be_square(number: &BigUint) -> bool {
    let low = number.iter_u32_digits().next().unwrap_or(0) & 15;
    matches!(low, 0 | 1 | 4 | 9)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const E: [u8; 3] = [1, 0, 1];

    fn der(number: &BigUint) -> Vec<u8> {
        let mut bytes = number.to_bytes_be();
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        bytes
    }

    fn odd(bits: u64, salt: u32) -> BigUint {
        (BigUint::from(1_u32) << (bits - 1)) + salt
    }

    #[test]
    fn sizes_signs_and_exponents() {
        let fault = |n: &BigUint, e: &[u8]| check(&der(n), e).unwrap_err();
        assert_eq!(fault(&odd(1024, 1), &E), KeyError::TooShort { bits: 1024 });
        assert_eq!(fault(&odd(2047, 1), &E), KeyError::TooShort { bits: 2047 });
        assert_eq!(fault(&odd(16384, 1), &E), KeyError::TooLong { bits: 16384 });
        for e in [
            &[1][..],
            &[3],
            &[1, 0, 0],
            &[1, 0, 2],
            &[1, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(fault(&odd(2048, 1), e), KeyError::Exponent);
        }
        assert_eq!(fault(&odd(2048, 2), &E), KeyError::SmallFactor);
        assert_eq!(check(&[0xFF; 256], &E), Err(KeyError::Malformed));
        assert_eq!(check(&[], &E), Err(KeyError::Malformed));
    }

    #[test]
    fn close_factors_are_found() {
        let p = odd(1024, 3);
        let q = &p + 1000_u32;
        assert!(has_close_primes(&(&p * &q)));
        assert!(!has_close_primes(&(&p * ((&q << 1) + 12_345_u32))));
    }

    #[test]
    fn powers_of_65537_are_roca() {
        let modulus = (0..130).fold(BigUint::from(1_u32), |n, _| n * 65_537_u32);
        assert!(modulus.bits() > 2048);
        assert_eq!(check(&der(&modulus), &E), Err(KeyError::Roca));
        assert!(!is_roca(&(&modulus + 2_u32)));
    }
}
