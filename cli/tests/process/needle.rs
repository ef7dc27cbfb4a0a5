//! Secrets as they could look where they must not be: raw, hexadecimal, base 64 at each offset, and
//! as a list of numbers.
//!
//! Invariant: a piece of 12 bytes is enough to be found; a line break of PEM does not hide a secret.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// Long enough that nothing but the secret looks like it.
const PIECE_LEN: usize = 12;
const STEP: usize = 10;

/// A secret by a name that may be printed.
pub struct Secret {
    pub name: String,
    bytes: Vec<u8>,
}

impl Secret {
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let (name, bytes) = (name.into(), bytes.into());
        assert!(bytes.len() >= PIECE_LEN, "{name} is too short to look for");
        Self { name, bytes }
    }

    /// The private number of an elliptic key in PKCS#8 or PEM; the rest of such a key is public.
    pub fn of_key(name: &str, der: &[u8]) -> Self {
        // ECPrivateKey (RFC 5915): version 1, then the number as an octet string.
        let mark = [2, 1, 1, 4];
        let at = der.windows(4).position(|window| window == mark).unwrap() + mark.len();
        let len = usize::from(der[at]);
        Self::new(name, &der[at + 1..at + 1 + len])
    }

    /// The secret's whole text in one form, for controls.
    pub fn shown(&self, form: usize) -> Vec<u8> {
        forms(&self.bytes)[form].1.clone()
    }
}

/// All forms of some bytes, with what to call them.
fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let list = format!("{bytes:?}");
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("hex", HEXLOWER.encode(bytes).into_bytes()),
        ("HEX", HEXUPPER.encode(bytes).into_bytes()),
        ("list", list.trim_matches(['[', ']']).as_bytes().to_vec()),
    ];
    for before in 0..3 {
        let padded = [&[0_u8; 2][..before], bytes].concat();
        // Characters at both ends also carry bits of the neighbours.
        let from = (8 * before).div_ceil(6);
        let to = 8 * padded.len() / 6;
        for text in [BASE64.encode(&padded), BASE64URL_NOPAD.encode(&padded)] {
            forms.push(("base64", text.as_bytes()[from..to].to_vec()));
        }
    }
    forms
}

/// A search for all forms of all secrets at once.
pub struct Needles {
    search: AhoCorasick,
    /// For each pattern the name of its secret and its form.
    meaning: Vec<(String, &'static str)>,
}

impl Needles {
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let (mut patterns, mut meaning) = (Vec::new(), Vec::new());
        for secret in secrets {
            for piece in secret.bytes.windows(PIECE_LEN).step_by(STEP) {
                for (form, pattern) in forms(piece) {
                    patterns.push(pattern);
                    meaning.push((secret.name.clone(), form));
                }
            }
        }
        let search = AhoCorasick::new(&patterns).unwrap();
        Self { search, meaning }
    }

    /// What is found there, each once: `ca.kek (hex)`.
    pub fn found_in(&self, haystack: &[u8]) -> BTreeSet<String> {
        let found = self.search.find_overlapping_iter(haystack);
        found
            .map(|found| &self.meaning[found.pattern().as_usize()])
            .map(|(name, form)| format!("{name} ({form})"))
            .collect()
    }
}

#[test]
fn every_form_is_found_wherever_it_stands() {
    let bytes: Vec<u8> = (0..32_u8)
        .map(|n| n.wrapping_mul(151).wrapping_add(9))
        .collect();
    let secret = Secret::new("canary", bytes.clone());
    let needles = Needles::of([&secret]);
    let noise = vec![b'x'; 5000];
    assert!(needles.found_in(&noise).is_empty());
    for form in 0..forms(&bytes).len() {
        let hay = [&noise[..], &secret.shown(form), &noise[..77]].concat();
        assert_eq!(needles.found_in(&hay).len(), 1, "form {form}");
    }
    // As PEM writes it: at any offset, broken into lines of 64.
    for before in 0..64 {
        let text = BASE64.encode(&[&vec![1; before][..], &bytes, &[2; 40]].concat());
        let lines: Vec<&[u8]> = text.as_bytes().chunks(64).collect();
        let found = needles.found_in(&lines.join(&b'\n'));
        assert!(found.contains("canary (base64)"), "after {before} bytes");
    }
}
