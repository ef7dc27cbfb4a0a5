//! Crockford base 32 in lower case, as ids show it: sortable, and free of look-alike letters.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes the lowest `digits` five-bit groups of `value`, most significant first.
pub(crate) fn encode(value: u128, digits: u32) -> String {
    (0..digits)
        .rev()
        .map(|place| {
            let group = (value >> (5 * place)) & 31;
            char::from(ALPHABET[usize::try_from(group).unwrap_or(0)])
        })
        .collect()
}

/// Reads exactly `digits` digits of at most `bits` significant bits; `None` for anything else.
pub(crate) fn decode(text: &str, digits: usize, bits: u32) -> Option<u128> {
    if text.len() != digits {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text.bytes() {
        let group = ALPHABET.iter().position(|known| *known == byte)?;
        if value.leading_zeros() < 5 {
            return None;
        }
        value = (value << 5) | u128::try_from(group).ok()?;
    }
    (bits >= 128 || value >> bits == 0).then_some(value)
}
