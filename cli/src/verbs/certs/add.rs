//! `certmill certs add`: a key, a CSR, a request.
//!
//! Invariant: a private key leaves neither this machine nor its file, and a key file outlives a
//! failed request only where a certificate for it may have come to be.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use certmill_crypto::csr::{self, Csr};
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_wire::{CertificateRequest, ProfileView, client};

use crate::args::AddArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::{key_file, lookup};

/// The profile that is used when none is named.
const DEFAULT_PROFILE: &str = "default";
/// More than any CSR needs; guards against a file that is something else.
const MOST_CSR_BYTES: u64 = 64 * 1024;

/// Where the private key is.
enum Key {
    /// Made for this request.
    New(PathBuf),
    /// It was there before.
    Kept(PathBuf),
    /// With the requester, or with the server.
    Elsewhere,
}

/// Requests a certificate and waits for it if asked to.
pub async fn add(args: AddArgs, session: &Session) -> Result<(), Failure> {
    let (csr, key) = prepare(&args, session).await?;
    let request = CertificateRequest {
        name: args.name.to_string(),
        sans: given(args.sans.iter().map(ToString::to_string).collect()),
        profile: args.profile.clone(),
        csr,
    };
    let accepted = match session.client.request_certificate(&request).await {
        Ok(accepted) => accepted,
        Err(error) => return Err(after_failure(&request.name, &error, &key)),
    };
    let file = match &key {
        Key::New(path) | Key::Kept(path) => Some(path.display().to_string()),
        Key::Elsewhere => None,
    };
    super::follow(&accepted, &args.wait, file.as_deref(), session).await
}

async fn prepare(args: &AddArgs, session: &Session) -> Result<(Option<String>, Key), Failure> {
    if let Some(file) = &args.csr {
        return Ok((Some(read_csr(file)?), Key::Elsewhere));
    }
    // Asked for first: nothing is written to the disk for a server that does not answer.
    let name = args.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let profile = lookup::profile(&session.client, name).await?;
    if profile.key_source == "sealed" {
        if args.key.is_some() || args.reuse_key {
            let why = "the server makes the keys of this profile";
            let hint = "leave out --key and --reuse-key, or name another profile";
            return Err(Failure::new(
                Exit::Usage,
                "--key",
                &format!("profile {name}"),
                why,
                hint,
            ));
        }
        return Ok((None, Key::Elsewhere));
    }
    let path = args.key.clone();
    let path = path.unwrap_or_else(|| key_file::file_name(&args.name.to_string(), "key"));
    let names =
        Names::new(std::iter::once(&args.name).chain(&args.sans).cloned()).map_err(|why| {
            Failure::new(
                Exit::Usage,
                "names",
                "arguments",
                &why.to_string(),
                "leave some out",
            )
        })?;
    if args.reuse_key {
        let csr = make_csr(&key_file::read(&path)?, &names)?;
        return Ok((Some(csr), Key::Kept(path)));
    }
    let private_key = key_file::generate(&path, algorithm(&profile))?;
    match make_csr(&private_key, &names) {
        Ok(csr) => Ok((Some(csr), Key::New(path))),
        Err(failure) => {
            key_file::remove(&path);
            Err(failure)
        }
    }
}

/// P-256 where the profile takes it, else the first key that it takes.
fn algorithm(profile: &ProfileView) -> KeyAlgorithm {
    let accepted: Vec<KeyAlgorithm> = profile
        .key_algorithms
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let usual = KeyAlgorithm::EcdsaP256;
    let first = accepted.first().copied().unwrap_or(usual);
    if accepted.contains(&usual) {
        usual
    } else {
        first
    }
}

fn make_csr(key: &PrivateKey, names: &Names) -> Result<String, Failure> {
    let made = csr::create(key, names);
    let der = made
        .map_err(|why| Failure::new(Exit::Failed, "CSR", "this machine", &why.to_string(), ""))?;
    Ok(csr::to_pem(&der))
}

/// Parsed here first, so that a private key given by mistake is never sent.
pub(super) fn read_csr(file: &Path) -> Result<String, Failure> {
    let fault = |exit, why: &str, hint: &str| {
        Failure::new(exit, "CSR", &file.display().to_string(), why, hint)
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MOST_CSR_BYTES + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file)
            .and_then(|open| open.take(MOST_CSR_BYTES + 1).read_to_end(&mut bytes))
    };
    let size = read.map_err(|why| {
        fault(
            Exit::Config,
            &format!("cannot be read: {why}"),
            "check the path",
        )
    })?;
    if size as u64 > MOST_CSR_BYTES {
        return Err(fault(
            Exit::Usage,
            "larger than 64 KiB",
            "is this the right file?",
        ));
    }
    let csr = Csr::parse(&bytes).map_err(|why| match why.code() {
        "private_key_received" => {
            let why = "this is a private key; nothing was sent";
            fault(
                Exit::Usage,
                why,
                "name its request, or use --key FILE --reuse-key",
            )
        }
        _ => fault(Exit::Usage, &why.to_string(), "give a PKCS#10 request"),
    })?;
    Ok(csr.to_pem())
}

/// What to say, and whether the key file stays.
fn after_failure(name: &str, error: &client::Error, key: &Key) -> Failure {
    let failure = Failure::of_call(&format!("certificate {name}"), error);
    let Key::New(path) = key else { return failure };
    if is_certain(error) {
        key_file::remove(path);
        return failure;
    }
    failure.and(&format!(
        "whether it was asked for is not known, so the key stays in {file}: look by `certmill certs \
         show {name}`, or ask again with --key {file} --reuse-key",
        file = path.display()
    ))
}

/// Whether nothing came of the request. Tries share one `Idempotency-Key`, so a refusal of the last
/// one holds for all.
fn is_certain(error: &client::Error) -> bool {
    match error {
        client::Error::Config { .. } | client::Error::Tls { .. } => true,
        client::Error::Problem(problem) => {
            (400..500).contains(&problem.status)
                && problem.status != 408
                && problem.code != "idempotency_in_progress"
        }
        _ => false,
    }
}

fn given(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
#[path = "add_tests.rs"]
mod tests;
