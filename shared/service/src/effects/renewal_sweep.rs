//! The kind `renewal_sweep`: its steps are transactions of their own, so finishing writes nothing more.

pub use certmill_domain::schedule::RENEWAL_SWEEP as KIND;
