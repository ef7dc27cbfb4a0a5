//! Cursors of lists.

use certmill_crypto::cursor::{self, Scope};
use certmill_crypto::mac::MacRing;
use certmill_crypto::seal::{Kek, Keyring, LiveKeyring};
use std::sync::Arc;

/// A cursor opens in its own scope and in no other, and has one spelling only. The input is a
/// cursor, and three parts of a scope as well, parted by line feeds.
pub fn cursor(input: &[u8]) {
    let key = ring(7);
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(4, '\n');
    let given = parts.next().unwrap_or_default();
    let mut part = || parts.next().unwrap_or_default();
    let (list, principal, value) = (part(), part(), part());
    let filter = [("name".to_owned(), value.to_owned())];
    let scope = Scope {
        list,
        filter: &filter,
        principal,
    };
    if let Some(last) = cursor::read::<8>(&key, &scope, given) {
        assert_eq!(cursor::write(&key, &scope, &last), given);
    }
    assert!(cursor::read::<16>(&key, &scope, given).is_none() || given.len() > 60);

    let mut last = [0; 8];
    let len = input.len().min(8);
    last[..len].copy_from_slice(&input[..len]);
    let written = cursor::write(&key, &scope, &last);
    assert!(written.len() <= cursor::TEXT_MAX);
    assert_eq!(cursor::read(&key, &scope, &written), Some(last));
    for stranger in strangers(&scope) {
        assert!(cursor::read::<8>(&key, &stranger, &written).is_none());
    }
    let other = ring(8);
    assert!(cursor::read::<8>(&other, &scope, &written).is_none());
}

/// Scopes that differ from `scope`, by moved borders between its parts as well.
fn strangers<'a>(scope: &Scope<'a>) -> Vec<Scope<'a>> {
    let mut strangers = vec![
        Scope {
            filter: &[],
            ..*scope
        },
        Scope {
            list: "another",
            ..*scope
        },
    ];
    if scope.list != scope.principal {
        strangers.push(Scope {
            list: scope.principal,
            principal: scope.list,
            ..*scope
        });
    }
    strangers.retain(|other| other.list != scope.list || other.filter != scope.filter);
    strangers
}

fn ring(byte: u8) -> MacRing {
    let keys = Keyring::new(Kek::from_bytes([byte; 32]), Vec::new());
    MacRing::new(Arc::new(LiveKeyring::new(keys)), "cursor")
}
