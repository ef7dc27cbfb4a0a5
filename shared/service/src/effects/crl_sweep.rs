//! The kind `crl_sweep`: it enqueues in a transaction of its own, so finishing writes nothing more.

pub use certmill_domain::schedule::CRL_SWEEP as KIND;
