//! Serial numbers by the hundred thousand: unique, positive, of at most 20 octets, and of bits that
//! look drawn.

use std::collections::HashSet;

use certmill_crypto::random;
use certmill_domain::serial::Serial;

const DRAWS: usize = 100_000;

#[test]
fn a_hundred_thousand_serials_are_unique_positive_and_short() {
    let serials: Vec<Serial> = (0..DRAWS)
        .map(|_| Serial::from_random(random::bytes().unwrap()))
        .collect();
    let unique: HashSet<&[u8; 16]> = serials.iter().map(Serial::as_bytes).collect();
    assert_eq!(unique.len(), DRAWS);
    // DER puts a zero octet before a top bit: 17 octets at most, never negative, above 2^64.
    assert!(serials.iter().all(|one| one.as_bytes()[0] != 0));
    let ones: u32 = serials
        .iter()
        .flat_map(|one| one.as_bytes())
        .map(|octet| octet.count_ones())
        .sum();
    // 12.8 million fair bits have a standard deviation of 1789; this is nearly six of them, and
    // leaves room for the first octet, which is never zero.
    let expected = i64::try_from(DRAWS * 64).unwrap();
    assert!((i64::from(ones) - expected).abs() < 10_000, "{ones}");
}
