//! What an issuer is asked for: one order, as it was written down.
//!
//! Invariant: an ask is built from the order's row alone, so that every attempt at
//! one order asks the same.

use certmill_crypto::keys::PublicKey;
use certmill_domain::ids::OrderId;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;

/// One order to be fulfilled.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The idempotency key towards the issuer.
    pub order_id: OrderId,
    /// Exactly the names that the certificate must carry.
    pub names: Names,
    /// The request in DER, for issuers that want one.
    pub csr_der: Vec<u8>,
    /// The key to be certified, already checked.
    pub public_key: PublicKey,
    /// The planned serial number, for issuers that keep to the plan.
    pub serial: Serial,
    /// The planned dates; other issuers take them as a wish.
    pub validity: Validity,
    /// The generation of the certificate that this order obtains.
    pub generation: i32,
    /// The leaf in DER that this order renews.
    pub replaces: Option<Vec<u8>>,
}
