//! Cursors of lists: opaque to clients, bound to list, filter and principal.
//!
//! Invariant: a cursor that was not made under this key for this list, filter and principal is no
//! cursor; the tag covers all of them, the text carries only the last row's key.

use data_encoding::BASE64URL_NOPAD;

use crate::mac::{MacRing, TAG_LEN};

/// The form below; a changed form gets another number.
const VERSION: u8 = 1;

/// The longest text that is read at all, in bytes; what [`write`] makes is shorter.
pub const TEXT_MAX: usize = 512;

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The list's path.
    pub list: &'a str,
    /// Its filter without paging, as the wire writes it.
    pub filter: &'a [(String, String)],
    /// Who asks.
    pub principal: &'a str,
}

impl Scope<'_> {
    fn message(&self, last: &[u8]) -> Vec<u8> {
        let mut message = vec![VERSION];
        let mut add = |part: &[u8]| {
            // Lengths keep parts apart; they are bounded by the URL's.
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        };
        add(self.list.as_bytes());
        add(self.principal.as_bytes());
        add(last);
        for (name, value) in self.filter {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        message
    }
}

/// Writes the cursor of the page after the row `last`.
#[must_use]
pub fn write(key: &MacRing, scope: &Scope<'_>, last: &[u8]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(last);
    bytes.extend_from_slice(&key.sign(&scope.message(last)));
    BASE64URL_NOPAD.encode(&bytes)
}

/// The key of the row after which the page begins; `None` for anything but a cursor of this
/// scope.
#[must_use]
pub fn read<const N: usize>(key: &MacRing, scope: &Scope<'_>, text: &str) -> Option<[u8; N]> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (version, rest) = bytes.split_first()?;
    if *version != VERSION || rest.len() != N + TAG_LEN {
        return None;
    }
    let (last, tag) = rest.split_at(N);
    if !key.verify(&scope.message(last), tag) {
        return None;
    }
    last.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seal::{Kek, Keyring, LiveKeyring};
    use std::sync::Arc;

    fn mac(byte: u8) -> MacRing {
        let keys = Keyring::new(Kek::from_bytes([byte; 32]), Vec::new());
        MacRing::new(Arc::new(LiveKeyring::new(keys)), "cursor")
    }

    #[test]
    fn only_its_own_scope_takes_a_cursor_back() {
        let key = mac(1);
        let filter = [("name".to_owned(), "a".to_owned())];
        let scope = Scope {
            list: "jobs",
            filter: &filter,
            principal: "key_1",
        };
        let text = write(&key, &scope, &[7; 8]);
        assert_eq!(read::<8>(&key, &scope, &text).unwrap(), [7; 8]);
        assert!(read::<4>(&key, &scope, &text).is_none());
        assert!(read::<8>(&key, &Scope { list: "x", ..scope }, &text).is_none());
        assert!(
            read::<8>(
                &key,
                &Scope {
                    filter: &[],
                    ..scope
                },
                &text
            )
            .is_none()
        );
        assert!(
            read::<8>(
                &key,
                &Scope {
                    principal: "key_2",
                    ..scope
                },
                &text
            )
            .is_none()
        );
        let other = mac(2);
        assert!(read::<8>(&other, &scope, &text).is_none());
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let key = mac(1);
        let scope = Scope {
            list: "jobs",
            filter: &[],
            principal: "key_1",
        };
        let text = write(&key, &scope, &[7; 8]);
        for place in 0..text.len() {
            for replacement in ["A", "_", "9", "!", "é"] {
                let mut changed = text.clone();
                changed.replace_range(place..=place, replacement);
                assert!(changed == text || read::<8>(&key, &scope, &changed).is_none());
            }
        }
    }
}
