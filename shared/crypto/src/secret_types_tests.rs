//! Types that hold a secret in clear cannot be printed, copied into a document, or shown.
//!
//! Invariant: a `derive(Debug)` or `derive(Serialize)` on one of them does not compile.

use std::fmt::{Debug, Display};

use crate::ca::SigningCa;
use crate::keys::PrivateKey;
use crate::mac::MacKey;
use crate::seal::{Kek, Keyring};
use crate::token::ApiKey;

/// Where `$type` has the trait, both implementations below fit and the compiler cannot choose.
macro_rules! lacks {
    ($type:ty: $($trait:path),+) => {$(
        const _: fn() = || {
            trait Lacks<Which> {
                fn it() {}
            }
            impl<T> Lacks<()> for T {}
            struct Has;
            impl<T: $trait> Lacks<Has> for T {}
            let _ = <$type as Lacks<_>>::it;
        };
    )+};
}

macro_rules! all_secret {
    ($($type:ty),+ $(,)?) => {$(lacks!($type: Debug, Display, serde::Serialize);)+};
}

all_secret!(ApiKey, Kek, Keyring, MacKey, PrivateKey, SigningCa);

#[test]
fn secret_types_are_held_by_the_compiler() {
    // That this file compiles is the test; the type below shows that the question can be asked.
    lacks!(Silent: Debug, Display, serde::Serialize);
    struct Silent;
    let _ = Silent;
}
