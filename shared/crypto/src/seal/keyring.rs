//! The KEKs of one process: the current one seals, all of them open.
//!
//! Invariant: what is sealed is always sealed under the current key, so that a
//! rotation ends once every row was re-sealed.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::seal::{Kek, KekId, Place, SealError, envelope};

/// The current KEK and its predecessors.
pub struct Keyring {
    current: Arc<Kek>,
    others: Vec<Arc<Kek>>,
}

impl Keyring {
    /// A keyring that seals under `current` and also opens what `previous` sealed.
    #[must_use]
    pub fn new(current: Kek, previous: Vec<Kek>) -> Self {
        Self {
            current: Arc::new(current),
            others: previous.into_iter().map(Arc::new).collect(),
        }
    }

    /// A keyring of all these keys that seals under the one of that id; `None` if it is not among
    /// them. A key that comes twice counts once.
    #[must_use]
    pub fn sealing_with(id: KekId, keks: impl IntoIterator<Item = Arc<Kek>>) -> Option<Self> {
        let mut current = None;
        let mut others: Vec<Arc<Kek>> = Vec::new();
        for kek in keks {
            if kek.id() == id {
                current = Some(kek);
            } else if others.iter().all(|known| known.id() != kek.id()) {
                others.push(kek);
            }
        }
        Some(Self {
            current: current?,
            others,
        })
    }

    /// The key that seals.
    #[must_use]
    pub fn current(&self) -> &Kek {
        &self.current
    }

    /// The ids of all keys, the current one first: what a start-up compares with
    /// the ids that the database knows.
    pub fn ids(&self) -> impl Iterator<Item = KekId> + '_ {
        self.keks().map(|kek| kek.id())
    }

    /// Whether it opens what the key of that id sealed.
    #[must_use]
    pub fn holds(&self, id: KekId) -> bool {
        self.ids().any(|known| known == id)
    }

    /// Seals `plaintext` for `place`.
    ///
    /// # Errors
    /// [`SealError`] when random bytes or the cipher fail.
    pub fn seal(&self, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        envelope::seal(&self.current, place, plaintext)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`]: unknown key, damaged, or sealed for another place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let kek_id = envelope::sealed_under(sealed).ok_or_else(|| SealError::Malformed {
            place: place.to_string(),
        })?;
        let kek = self.keks().find(|kek| kek.id() == kek_id);
        let kek = kek.ok_or_else(|| SealError::UnknownKek {
            place: place.to_string(),
            kek_id,
            loaded: self
                .ids()
                .map(|id| id.to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        envelope::open(kek, place, sealed)
    }

    /// All keys, the current one first.
    pub fn keks(&self) -> impl Iterator<Item = &Arc<Kek>> + '_ {
        std::iter::once(&self.current).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::seal::sealed_under;

    fn ring(byte: u8) -> Keyring {
        Keyring::new(Kek::from_bytes([byte; 32]), Vec::new())
    }

    #[test]
    fn swapped_rows_columns_and_tables_do_not_open() {
        let ring = ring(1);
        let sealed = ring
            .seal(Place::new("ca_key", "sealed", "1"), b"secret")
            .unwrap();
        for (table, column, row) in [
            ("ca_key", "sealed", "2"),
            ("ca_key", "other", "1"),
            ("issuer", "sealed", "1"),
            ("ca_keysealed", "", "1"),
        ] {
            let error = ring
                .open(Place::new(table, column, row), &sealed)
                .unwrap_err();
            assert!(matches!(error, SealError::Refused { .. }), "{error}");
        }
        let opened = ring
            .open(Place::new("ca_key", "sealed", "1"), &sealed)
            .unwrap();
        assert_eq!(opened.as_slice(), b"secret");
    }

    #[test]
    fn parts_of_two_envelopes_do_not_mix() {
        let ring = ring(1);
        let place = Place::new("t", "c", "r");
        let one = ring.seal(place, b"one").unwrap();
        let two = ring.seal(place, b"two").unwrap();
        let mixed = [&one[..69], &two[69..]].concat();
        assert!(matches!(
            ring.open(place, &mixed),
            Err(SealError::Refused { .. })
        ));
    }

    #[test]
    fn rotation_opens_old_envelopes_and_seals_under_the_new_key() {
        let place = Place::new("t", "c", "r");
        let old = ring(1).seal(place, b"x").unwrap();
        let rotated = Keyring::new(Kek::from_bytes([2; 32]), vec![Kek::from_bytes([1; 32])]);
        assert_eq!(rotated.open(place, &old).unwrap().as_slice(), b"x");
        let new = rotated.seal(place, b"x").unwrap();
        assert_eq!(sealed_under(&new), Some(rotated.current().id()));
        let error = ring(1).open(place, &new).unwrap_err();
        assert!(matches!(&error, SealError::UnknownKek { kek_id, .. }
            if *kek_id == rotated.current().id()));
        assert!(error.to_string().contains("t.c of row r"), "{error}");
    }

    #[test]
    fn the_sealing_key_is_chosen_by_its_id() {
        let kek = |byte| Arc::new(Kek::from_bytes([byte; 32]));
        let ring = Keyring::sealing_with(kek(2).id(), [kek(1), kek(2), kek(1), kek(2)]).unwrap();
        assert_eq!(ring.current().id(), kek(2).id());
        assert_eq!(ring.ids().collect::<Vec<_>>(), [kek(2).id(), kek(1).id()]);
        assert!(ring.holds(kek(1).id()) && !ring.holds(kek(3).id()));
        assert!(Keyring::sealing_with(kek(3).id(), [kek(1)]).is_none());
        let id = kek(1).id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", "zz", "0011223344556677889900"] {
            assert!(bad.parse::<KekId>().is_err());
        }
    }

    #[test]
    fn a_forged_key_id_is_refused() {
        let place = Place::new("t", "c", "r");
        let both = Keyring::new(Kek::from_bytes([2; 32]), vec![Kek::from_bytes([1; 32])]);
        let mut sealed = both.seal(place, b"x").unwrap();
        sealed[1..9].copy_from_slice(&Kek::from_bytes([1; 32]).id().0);
        assert!(matches!(
            both.open(place, &sealed),
            Err(SealError::Refused { .. })
        ));
    }

    proptest! {
        #[test]
        fn opens_to_what_was_sealed(plain in proptest::collection::vec(any::<u8>(), 0..600),
                                    row in ".{0,40}") {
            let ring = ring(9);
            let place = Place::new("t", "c", &row);
            let sealed = ring.seal(place, &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + 97);
            let opened = ring.open(place, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert_ne!(ring.seal(place, &plain).unwrap(), sealed);
        }

        #[test]
        fn any_changed_bit_is_refused(bit in 0_usize..(97 + 6) * 8) {
            let ring = ring(9);
            let place = Place::new("t", "c", "r");
            let mut sealed = ring.seal(place, b"secret").unwrap();
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(ring.open(place, &sealed).is_err());
        }

        #[test]
        fn garbage_and_cuts_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300),
                                        cut in 0_usize..110) {
            let ring = ring(9);
            let place = Place::new("t", "c", "r");
            prop_assert!(ring.open(place, &bytes).is_err());
            let sealed = ring.seal(place, b"secret").unwrap();
            prop_assert!(ring.open(place, &sealed[..cut.min(sealed.len() - 1)]).is_err());
        }
    }
}
