//! A request's own faults, found before any transaction: names and CSR.

use crate::{Error, FieldFault};
use certmill_crypto::csr::Csr;
use certmill_domain::names::{Names, San};

/// One certificate that is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its name: the first of its subject alternative names.
    pub name: String,
    /// Further names.
    pub sans: Vec<String>,
    /// The profile's name; the default profile if none.
    pub profile: Option<String>,
    /// A PKCS#10 request in PEM, where the requester holds the key.
    pub csr_pem: Option<String>,
    /// Whether sweeps renew it.
    pub auto_renew: bool,
}

/// An ask without faults of its own.
pub(super) struct Prepared {
    pub name: String,
    pub names: Names,
    pub profile: Option<String>,
    pub csr: Option<Csr>,
    pub auto_renew: bool,
}

/// Checks asks away from the threads that serve, since a CSR's signature takes long; `pointer` gives
/// the JSON pointer of each.
pub(super) async fn prepare_all(
    asks: Vec<Ask>,
    pointer: fn(usize) -> String,
) -> Result<Vec<Result<Prepared, Vec<FieldFault>>>, Error> {
    let check = move || {
        let asks = asks.iter().enumerate();
        asks.map(|(place, ask)| prepare(ask, &pointer(place)))
            .collect()
    };
    tokio::task::spawn_blocking(check)
        .await
        .map_err(|why| Error::Crypto(why.to_string()))
}

/// Checks names and CSR; `at` is the JSON pointer of the ask.
fn prepare(ask: &Ask, at: &str) -> Result<Prepared, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let csr = ask.csr_pem.as_deref().and_then(|pem| {
        Csr::parse(pem.as_bytes())
            .map_err(|why| faults.push(FieldFault::new(format!("{at}/csr"), why.code(), &why)))
            .ok()
    });
    let mut sans: Vec<San> = Vec::new();
    let asked = std::iter::once((format!("{at}/name"), &ask.name)).chain(
        ask.sans
            .iter()
            .enumerate()
            .map(|(n, san)| (format!("{at}/sans/{n}"), san)),
    );
    for (pointer, text) in asked {
        match text.parse::<San>() {
            Ok(san) => sans.push(san),
            Err(why) => faults.push(FieldFault::new(pointer, why.code(), why)),
        }
    }
    if let Some(requested) = csr.as_ref().and_then(|csr| csr.names.as_ref()) {
        sans.extend(requested.as_slice().iter().cloned());
    }
    let name = sans.first().map(ToString::to_string).unwrap_or_default();
    match Names::new(sans) {
        Ok(names) if faults.is_empty() => Ok(Prepared {
            name,
            names,
            profile: ask.profile.clone(),
            csr,
            auto_renew: ask.auto_renew,
        }),
        Ok(_) => Err(faults),
        Err(why) => {
            if faults.is_empty() {
                faults.push(FieldFault::new(format!("{at}/sans"), why.code(), why));
            }
            Err(faults)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ask(name: &str, sans: &[&str], csr: Option<&str>) -> Ask {
        Ask {
            name: name.into(),
            sans: sans.iter().map(ToString::to_string).collect(),
            profile: None,
            csr_pem: csr.map(ToString::to_string),
            auto_renew: true,
        }
    }

    #[test]
    fn all_faults_come_back_at_once() {
        let faults = prepare(
            &ask("foo_bar.example", &["*.com", "ok.example"], Some("x")),
            "",
        )
        .err()
        .unwrap();
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/csr", "/name", "/sans/0"]);
    }

    #[test]
    fn a_pasted_private_key_is_named_and_not_echoed() {
        let pem = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";
        let faults = prepare(&ask("a.example", &[], Some(pem)), "")
            .err()
            .unwrap();
        assert_eq!(faults[0].code, "private_key_received");
        assert!(!faults[0].detail.contains("QUJD"));
    }

    #[test]
    fn the_name_is_normalised() {
        let prepared = prepare(&ask("Shop.Example.COM.", &["shop.example.com"], None), "")
            .ok()
            .unwrap();
        assert_eq!(prepared.name, "shop.example.com");
        assert_eq!(prepared.names.as_slice().len(), 1);
    }
}
