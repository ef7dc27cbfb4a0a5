//! Turns what a user typed, a name or an id, into the thing itself.
//!
//! Invariant: a name stands for one certificate, as names are unique within a team.

use certmill_domain::ids::{ApiKeyId, CertificateId, JobId};
use certmill_domain::names::San;
use certmill_wire::client::Client;
use certmill_wire::{
    CertificateFilter, CertificateView, JobView, KeyFilter, KeyView, Paging, ProfileView,
};

use crate::exit::Exit;
use crate::failure::Failure;

/// The certificate of a name or id.
///
/// # Errors
/// Exit code 9 where there is none.
pub async fn certificate(client: &Client, typed: &str) -> Result<CertificateView, Failure> {
    let what = format!("certificate {typed}");
    let failed = |error| Failure::of_call(&what, &error);
    if typed.parse::<CertificateId>().is_ok() {
        return client.certificate(typed).await.map_err(failed);
    }
    let name = typed.parse::<San>().map_err(|why| {
        let hint = "`certmill certs list` shows names and ids";
        Failure::new(
            Exit::Usage,
            &what,
            "argument",
            &format!("neither an id nor a name: {why}"),
            hint,
        )
    })?;
    let filter = CertificateFilter {
        name: vec![name.to_string()],
        paging: Paging {
            limit: Some(1),
            cursor: None,
        },
        ..CertificateFilter::default()
    };
    let page = client.certificates(&filter).await.map_err(failed)?;
    page.data.into_iter().next().ok_or_else(|| {
        let hint = format!("request it by `certmill certs add {name}`");
        let why = "there is no certificate of that name";
        Failure::new(Exit::NotFound, &what, client.base_url(), why, &hint)
    })
}

/// The job of an id, or the unfinished job of a certificate.
///
/// # Errors
/// Exit code 9 where there is none.
pub async fn job(client: &Client, typed: &str) -> Result<JobView, Failure> {
    let id = if typed.parse::<JobId>().is_ok() {
        typed.to_owned()
    } else {
        let certificate = certificate(client, typed).await?;
        certificate.job.ok_or_else(|| {
            let why = "it has no unfinished job";
            let hint = "`certmill jobs list` shows ended ones";
            Failure::new(
                Exit::NotFound,
                &format!("certificate {typed}"),
                client.base_url(),
                why,
                hint,
            )
        })?
    };
    client
        .job(&id)
        .await
        .map_err(|error| Failure::of_call(&format!("job {id}"), &error))
}

/// The profile of a name.
///
/// # Errors
/// Exit code 9 where there is none.
pub async fn profile(client: &Client, name: &str) -> Result<ProfileView, Failure> {
    let what = format!("profile {name}");
    let mut paging = Paging {
        limit: Some(certmill_wire::MAX_LIMIT),
        cursor: None,
    };
    loop {
        let page = client
            .profiles(&paging)
            .await
            .map_err(|error| Failure::of_call(&what, &error))?;
        if let Some(found) = page.data.into_iter().find(|profile| profile.name == name) {
            return Ok(found);
        }
        paging.cursor = page.next_cursor;
        if paging.cursor.is_none() {
            let why = "there is no profile of that name";
            let hint = "`certmill profiles list` shows them";
            return Err(Failure::new(
                Exit::NotFound,
                &what,
                client.base_url(),
                why,
                hint,
            ));
        }
    }
}

/// The API key of an id, or of a name that one valid key has.
///
/// # Errors
/// Exit code 9 where there is none, 5 where there are several.
pub async fn api_key(client: &Client, typed: &str) -> Result<KeyView, Failure> {
    let what = format!("API key {typed}");
    let failed = |error| Failure::of_call(&what, &error);
    if typed.parse::<ApiKeyId>().is_ok() {
        return client.key(typed).await.map_err(failed);
    }
    let filter = KeyFilter {
        name: vec![typed.to_owned()],
        state: vec!["valid".to_owned()],
        ..KeyFilter::default()
    };
    let mut found = client.keys(&filter).await.map_err(failed)?.data;
    let here = client.base_url();
    match (found.pop(), found.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => {
            let why = "there is no valid key of that id or name";
            let hint = "`certmill keys list` shows them";
            Err(Failure::new(Exit::NotFound, &what, here, why, hint))
        }
        (Some(last), others) => {
            let ids: Vec<&str> = others
                .iter()
                .chain([&last])
                .map(|key| key.id.as_str())
                .collect();
            let why = format!("several valid keys have that name: {}", ids.join(", "));
            let hint = "name one of them by its id";
            Err(Failure::new(Exit::Conflict, &what, here, &why, hint))
        }
    }
}
