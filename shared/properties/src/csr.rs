//! Certificate requests.

use certmill_crypto::csr::{Csr, SIZE_MAX};

use crate::{assert_one_plain_line, assert_stable_code};

/// A request is read the same way again from what was kept of it, or refused with a code.
pub fn csr(input: &[u8]) {
    match Csr::parse(input) {
        Ok(request) => {
            assert!(input.len() <= SIZE_MAX);
            let same = |form: &[u8]| Csr::parse(form).is_ok_and(|again| again == request);
            assert!(same(&request.der), "its DER is read otherwise");
            assert!(
                same(request.to_pem().as_bytes()),
                "its PEM is read otherwise"
            );
            if let Some(names) = &request.names {
                assert!(!names.as_slice().is_empty());
            }
        }
        Err(error) => {
            assert_stable_code(error.code());
            assert_one_plain_line(&error.to_string(), 300);
        }
    }
}
