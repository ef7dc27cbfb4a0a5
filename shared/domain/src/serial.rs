//! Certificate serial numbers: 128 random bits, positive, drawn when an order is planned.

use std::fmt;

/// A serial number (RFC 5280, section 4.1.2.2) of 16 octets. The bits are the caller's, from a
/// cryptographic generator; DER adds a leading zero octet where the top bit is set, so that the
/// number stays positive and within 20 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Takes 128 random bits; the first octet is never zero, so that the number has 32 hexadecimal
    /// digits however it is written, and no draw is below 2^64.
    #[must_use]
    pub fn from_random(mut bits: [u8; 16]) -> Self {
        if bits[0] == 0 {
            bits[0] = 1;
        }
        Self(bits)
    }

    /// Reads the stored octets; `None` unless there are exactly 16.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The octets, most significant first, without DER's sign octet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
