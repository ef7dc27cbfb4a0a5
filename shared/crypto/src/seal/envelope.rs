//! The bytes of an envelope, version 1:
//! `01 | KEK id (8) | nonce (12) | wrapped data key (32 + 16) | nonce (12) | content | tag (16)`.
//!
//! Invariant: both parts authenticate the version, the KEK id and the place, each
//! under its own label, so that no part can be moved or swapped.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::random;
use crate::seal::{Kek, KekId, Place, SealError};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 8;
const TAG_LEN: usize = 16;
const WRAPPED_LEN: usize = NONCE_LEN + 32 + TAG_LEN;
const LEAST_LEN: usize = HEADER_LEN + WRAPPED_LEN + NONCE_LEN + TAG_LEN;

/// The id of the KEK that `sealed` was sealed under, or `None` if these bytes are
/// no envelope. For audits and rotations; proves nothing about the content.
#[must_use]
pub fn sealed_under(sealed: &[u8]) -> Option<KekId> {
    let (version, rest) = sealed.split_first()?;
    if *version != VERSION || sealed.len() < LEAST_LEN {
        return None;
    }
    rest.first_chunk::<8>().map(|id| KekId(*id))
}

/// Seals `plaintext` for `place` under `kek`.
pub(super) fn seal(kek: &Kek, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let data_key = Zeroizing::new(random::bytes::<32>()?);
    let mut out = Vec::with_capacity(LEAST_LEN + plaintext.len());
    out.push(VERSION);
    out.extend_from_slice(&kek.id().0);
    let wrap_key = kek.subkey("seal v1", "wrap");
    append(
        &mut out,
        &wrap_key,
        &context(b"key", kek.id(), place),
        data_key.as_slice(),
    )
    .map_err(|fault| fault.at(place))?;
    append(
        &mut out,
        &data_key,
        &context(b"content", kek.id(), place),
        plaintext,
    )
    .map_err(|fault| fault.at(place))?;
    Ok(out)
}

/// Opens an envelope that [`sealed_under`] says belongs to `kek`.
pub(super) fn open(
    kek: &Kek,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let refused = || SealError::Refused {
        place: place.to_string(),
    };
    let body = sealed.get(HEADER_LEN..).ok_or_else(refused)?;
    let (wrapped, content) = body.split_at_checked(WRAPPED_LEN).ok_or_else(refused)?;
    let wrap_key = kek.subkey("seal v1", "wrap");
    let data_key = decrypt(&wrap_key, &context(b"key", kek.id(), place), wrapped);
    let data_key = data_key.ok_or_else(refused)?;
    let data_key = data_key.first_chunk::<32>().ok_or_else(refused)?;
    decrypt(data_key, &context(b"content", kek.id(), place), content).ok_or_else(refused)
}

fn context(label: &[u8], kek_id: KekId, place: Place<'_>) -> Vec<u8> {
    let mut out = b"certmill seal v1\0".to_vec();
    out.extend_from_slice(label);
    out.push(0);
    out.extend_from_slice(&kek_id.0);
    place.encode_into(&mut out);
    out
}

enum Fault {
    Random(random::RandomError),
    Cipher,
}

impl Fault {
    fn at(self, place: Place<'_>) -> SealError {
        match self {
            Self::Random(error) => SealError::Random(error),
            Self::Cipher => SealError::Cipher {
                place: place.to_string(),
            },
        }
    }
}

fn append(out: &mut Vec<u8>, key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<(), Fault> {
    let nonce = random::bytes::<NONCE_LEN>().map_err(Fault::Random)?;
    let cipher = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Fault::Cipher)?;
    // Sealing in a buffer of our own: growing `out` could leave plaintext behind.
    let mut buffer = Zeroizing::new(plaintext.to_vec());
    let tag = LessSafeKey::new(cipher)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            buffer.as_mut_slice(),
        )
        .map_err(|_| Fault::Cipher)?;
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&buffer);
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

fn decrypt(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let len = cipher
        .open_in_place(nonce, Aad::from(aad), buffer.as_mut_slice())
        .ok()?
        .len();
    buffer.truncate(len);
    Some(buffer)
}
