//! Sealed secrets.

use certmill_crypto::seal::{Kek, Keyring, Place, sealed_under};

use crate::assert_one_plain_line;

/// What an envelope is longer by than its content.
const OVERHEAD_LEN: usize = 97;

/// What is sealed opens to itself; changed, cut or moved it does not open. The first two bytes of
/// the input choose the change.
pub fn envelope(input: &[u8]) {
    let ring = Keyring::new(Kek::from_bytes([7; 32]), vec![Kek::from_bytes([8; 32])]);
    let place = Place::new("ca_key", "sealed", "1");
    match ring.open(place, input) {
        Ok(content) => {
            assert_eq!(content.len() + OVERHEAD_LEN, input.len());
            assert!(
                ring.open(Place::new("ca_key", "sealed", "2"), input)
                    .is_err()
            );
        }
        Err(error) => assert_one_plain_line(&error.to_string(), 300),
    }
    let Some(([high, low], content)) = input.split_first_chunk::<2>() else {
        return;
    };
    let Ok(sealed) = ring.seal(place, content) else {
        panic!("sealing failed");
    };
    assert_eq!(sealed_under(&sealed), Some(ring.current().id()));
    let opened = ring.open(place, &sealed);
    assert!(opened.is_ok_and(|opened| opened.as_slice() == content));

    let at = usize::from(u16::from_be_bytes([*high, *low]));
    let mut changed = sealed.clone();
    changed[(at / 8) % sealed.len()] ^= 1 << (at % 8);
    assert!(ring.open(place, &changed).is_err());
    assert!(ring.open(place, &sealed[..at % sealed.len()]).is_err());
    let longer = [sealed.as_slice(), &[*low]].concat();
    assert!(ring.open(place, &longer).is_err());
}
