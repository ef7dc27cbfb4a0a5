//! PEM texts: chains, certificates, private keys.

use certmill_crypto::chain::{Chain, certificate_pem, certificates_from_pem};
use certmill_crypto::keys::PrivateKey;
use secrecy::ExposeSecret as _;

use crate::{assert_one_plain_line, assert_stable_code};

/// What was read is written and read again without a change, or was refused with a code.
pub fn pem_bundle(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(ders) = certificates_from_pem(text) {
        let again: String = ders.iter().map(|der| certificate_pem(der)).collect();
        assert!(certificates_from_pem(&again).is_ok_and(|again| again == ders));
    }
    match Chain::parse_pem(text) {
        Ok(chain) => {
            assert_eq!(chain.leaf().fingerprint_sha256.len(), 64);
            let again = Chain::parse_pem(&chain.to_pem());
            assert!(again.is_ok_and(|again| again == chain));
        }
        Err(error) => {
            assert_stable_code(error.code());
            assert_one_plain_line(&error.to_string(), 300);
        }
    }
    private_key(text);
}

fn private_key(text: &str) {
    match PrivateKey::from_pem(text) {
        Ok(key) => {
            // Not with assert_eq, which would print the key.
            let again = PrivateKey::from_pem(key.to_pem().expose_secret());
            let same = again.is_ok_and(|again| {
                again.pkcs8_der() == key.pkcs8_der() && again.public_key() == key.public_key()
            });
            assert!(same, "a key changed when it was written and read");
        }
        Err(error) => {
            assert_stable_code(error.code());
            assert_one_plain_line(&error.to_string(), 300);
        }
    }
}
