//! `certmill certs`.
//!
//! Invariant: JSON of one certificate keeps its field names, scripts rely on them.

mod add;
mod download;
mod revoke;
mod shown;

use certmill_wire::{Accepted, CertificateFilter, CertificateView, RenewRequest};

use crate::args::{CertsVerb, ListArgs, RenewArgs, WaitArgs};
use crate::failure::Failure;
use crate::output::{Output, instant};
use crate::session::Session;
use crate::{lookup, wait};

/// Runs a verb of certificates.
pub async fn run(verb: CertsVerb, session: &Session) -> Result<(), Failure> {
    match verb {
        CertsVerb::Add(args) => add::add(args, session).await,
        CertsVerb::List(args) => list(args, session).await,
        CertsVerb::Show(args) => {
            let certificate = lookup::certificate(&session.client, &args.certificate).await?;
            show(&certificate, &session.output)
        }
        CertsVerb::Renew(args) => renew(args, session).await,
        CertsVerb::Revoke(args) => revoke::revoke(args, session).await,
        CertsVerb::Download(args) => download::download(args, session).await,
    }
}

async fn list(args: ListArgs, session: &Session) -> Result<(), Failure> {
    let filter = CertificateFilter {
        name: args.name,
        status: args.status,
        paging: args.page.paging(),
    };
    let page = session.client.certificates(&filter).await;
    let page = page.map_err(|error| Failure::of_call("certificates", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&page);
    }
    let rows: Vec<Vec<String>> = page.data.iter().map(row).collect();
    let header = [
        "NAME",
        "STATUS",
        "PROFILE",
        "NOT AFTER",
        "RENEWS AT",
        "WAITING ON",
    ];
    output.rows(&header, &rows)?;
    output.note_next(page.next_cursor.as_deref());
    Ok(())
}

fn row(certificate: &CertificateView) -> Vec<String> {
    let version = certificate.version.as_ref();
    vec![
        certificate.name.clone(),
        certificate.status.clone(),
        certificate.profile.clone(),
        version
            .map(|version| instant(version.not_after))
            .unwrap_or_default(),
        certificate.renew_at.map(instant).unwrap_or_default(),
        certificate
            .waiting_on
            .as_ref()
            .map(|on| on.sentence.clone())
            .unwrap_or_default(),
    ]
}

fn show(certificate: &CertificateView, output: &Output) -> Result<(), Failure> {
    if output.is_value() {
        return output.value(certificate);
    }
    output.fields(&shown::fields(certificate))
}

async fn renew(args: RenewArgs, session: &Session) -> Result<(), Failure> {
    let certificate = lookup::certificate(&session.client, &args.certificate).await?;
    let what = format!("certificate {}", certificate.name);
    let csr = match &args.csr {
        Some(path) => Some(add::read_csr(path)?),
        None => None,
    };
    let ask = RenewRequest {
        reason: args.reason,
        csr,
    };
    let accepted = session
        .client
        .renew_certificate(&certificate.id, &ask)
        .await;
    let accepted = accepted.map_err(|error| Failure::of_call(&what, &error))?;
    follow(&accepted, &args.wait, None, session).await
}

/// Waits if asked to, then prints the version with its chain, or the job to look at.
async fn follow(
    accepted: &Accepted,
    wait: &WaitArgs,
    key_file: Option<&str>,
    session: &Session,
) -> Result<(), Failure> {
    if !wait.wait {
        return shown::print_accepted(accepted, key_file, &session.output);
    }
    let waited = wait::for_version(&session.client, accepted, wait.timeout, session.no_color);
    let certificate = waited.await?;
    let chain = session.client.chain(&certificate.id).await;
    let what = format!("chain of {}", certificate.name);
    let chain = chain.map_err(|error| Failure::of_call(&what, &error))?;
    shown::print_issued(&certificate, &chain, key_file, &session.output)
}
