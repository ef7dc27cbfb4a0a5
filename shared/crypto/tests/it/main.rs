//! What certmill writes, read by OpenSSL, and what OpenSSL writes, read by certmill.
#![allow(clippy::unwrap_used)]

mod ca;
mod chain;
mod corpus;
mod csr;
mod fixture;
mod hierarchy;
mod keys;
mod openssl;
mod serials;
