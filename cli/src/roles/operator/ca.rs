//! `certmill ca`: authorities.

use std::path::Path;

use certmill_crypto::ca::{Hierarchy, HierarchyError};
use certmill_crypto::chain::certificate_facts;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::Keyring;
use certmill_domain::ids::TeamId;
use certmill_pg::Pool;
use certmill_service::authorities::{self, Import, Standing, Target};
use certmill_service::keks;
use certmill_settings::{Settings, read_key_bytes};
use serde_json::json;

use super::{owner, refused};
use crate::args::{CaVerb, ImportArgs};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, instant};
use crate::roles::key_files;

/// Largest chain file: more than ten certificates ever need.
const CHAIN_MAX_BYTES: u64 = 1 << 20;

pub(super) async fn run(verb: CaVerb, settings: &Settings, output: Output) -> Result<(), Failure> {
    match verb {
        CaVerb::List(_) => list(&owner(settings).await?, output).await,
        CaVerb::Import(args) => import(args, settings, output).await,
        CaVerb::Roll { root: true, .. } => roll_root(settings, output).await,
        CaVerb::Roll { issuer, .. } => roll(&issuer, settings, output).await,
        CaVerb::Retire { name, yes, .. } => {
            confirm(yes, &format!("retire authority {name}"))?;
            let pool = owner(settings).await?;
            authorities::retire(&pool, &name)
                .await
                .map_err(|why| refused(&format!("authority {name}"), why))?;
            done(
                output,
                &format!("{name} is retired"),
                &json!({ "retired": name }),
            )
        }
    }
}

async fn list(pool: &Pool, output: Output) -> Result<(), Failure> {
    let all = authorities::list(pool)
        .await
        .map_err(|why| refused("authorities", why))?;
    if output.is_value() {
        let rows: Vec<_> = all.iter().map(shown).collect();
        return output.value(&json!({ "data": rows }));
    }
    let header = [
        "NAME",
        "SUBJECT",
        "SERIAL",
        "NOT AFTER",
        "KEK",
        "IN USE BY",
        "LIVE",
        "REVOCATION",
        "STATE",
    ];
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let (subject, serial) = certificate_facts(&one.authority.certificate_der);
            vec![
                one.authority.name.clone(),
                subject,
                serial,
                instant(one.authority.not_after),
                one.authority.kek_id.clone(),
                one.issuers.join(","),
                one.live_versions.to_string(),
                revocation(one).to_owned(),
                state(one).to_owned(),
            ]
        })
        .collect();
    output.rows(&header, &rows)
}

fn shown(one: &Standing) -> serde_json::Value {
    let (subject, serial) = certificate_facts(&one.authority.certificate_der);
    json!({
        "name": one.authority.name,
        "subject": subject,
        "serial": serial,
        "not_after": instant(one.authority.not_after),
        "kek_id": one.authority.kek_id,
        "issuers": one.issuers,
        "live_versions": one.live_versions,
        "revocation": revocation(one),
        "state": state(one),
    })
}

fn revocation(one: &Standing) -> &'static str {
    if one.publishes_lists {
        "crl,ocsp"
    } else {
        "ocsp"
    }
}

fn state(one: &Standing) -> &'static str {
    if one.authority.retired_at.is_some() {
        "retired"
    } else if one.issuers.is_empty() && !one.authority.chain_der.is_empty() {
        "replaced"
    } else {
        "active"
    }
}

async fn import(args: ImportArgs, settings: &Settings, output: Output) -> Result<(), Failure> {
    let mut certificates = read_bundle(&args.chain_file)?;
    if let Some(root) = &args.root_file {
        certificates.extend(read_bundle(root)?);
    }
    let key = read_key(&args.key_file)?;
    let to = match (args.issuer, args.new_issuer) {
        (Some(name), _) => Target::Issuer(name),
        (None, name) => Target::New(name.unwrap_or_default()),
    };
    let pool = owner(settings).await?;
    let keys = ca_keys(&pool, settings).await?;
    let what = format!("authority {}", args.name);
    let import = Import {
        name: args.name,
        certificates,
        key,
        to,
    };
    let imported = authorities::import(&pool, &keys, TeamId::DEFAULT, import)
        .await
        .map_err(|why| refused(&what, why))?;
    for warning in &imported.warnings {
        output.note(&format!("warning: {warning}"));
    }
    for name in &imported.retired {
        output.note(&format!("{name} never signed anything and is retired"));
    }
    done(
        output,
        &format!(
            "{} signs from now on; clients need the trust anchors of ca.pem anew",
            imported.authority.name
        ),
        &json!({
            "name": imported.authority.name,
            "not_after": instant(imported.authority.not_after),
            "warnings": imported.warnings,
            "retired": imported.retired,
        }),
    )
}

async fn roll(issuer: &str, settings: &Settings, output: Output) -> Result<(), Failure> {
    let pool = owner(settings).await?;
    let keys = ca_keys(&pool, settings).await?;
    let rolled = authorities::roll(&pool, &keys, TeamId::DEFAULT, issuer)
        .await
        .map_err(|why| refused(&format!("issuer {issuer}"), why))?;
    done(
        output,
        &format!(
            "{issuer} signs with {} from now on; what {} signed stays valid",
            rolled.after.name, rolled.before.name
        ),
        &json!({ "issuer": issuer, "before": rolled.before.name, "after": rolled.after.name }),
    )
}

async fn roll_root(settings: &Settings, output: Output) -> Result<(), Failure> {
    let pool = owner(settings).await?;
    let keys = ca_keys(&pool, settings).await?;
    let root = authorities::roll_root(&pool, &keys)
        .await
        .map_err(|why| refused("root", why))?;
    done(
        output,
        &format!(
            "{} is made; give clients the new ca.pem, then run `certmill ca roll`",
            root.name
        ),
        &json!({ "root": root.name }),
    )
}

async fn ca_keys(pool: &Pool, settings: &Settings) -> Result<Keyring, Failure> {
    let loaded = key_files::of_ca(settings).load()?;
    keks::keyring(pool, "ca", loaded)
        .await
        .map_err(|why| refused("key-encryption key", why))
}

fn read_bundle(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let shown = path.display().to_string();
    let refuse = |why: String, hint: &str| {
        Failure::new(Exit::Config, "certificate file", &shown, &why, hint)
    };
    let meta = std::fs::metadata(path).map_err(|why| refuse(why.to_string(), ""))?;
    if meta.len() > CHAIN_MAX_BYTES {
        return Err(refuse(
            "larger than 1 MiB".into(),
            "is this the right file?",
        ));
    }
    let bytes = std::fs::read(path).map_err(|why| refuse(why.to_string(), ""))?;
    let text = String::from_utf8_lossy(&bytes);
    Hierarchy::read_bundle(&text)
        .map_err(|why: HierarchyError| refuse(why.to_string(), &format!("code {}", why.code())))
}

fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let refuse = |why: String, hint: &str| {
        let shown = path.display().to_string();
        Failure::new(Exit::Config, "CA key file", &shown, &why, hint)
    };
    let bytes = read_key_bytes("CA key file", path)
        .map_err(|problem| Failure::config(vec![problem.to_string()]))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        refuse(
            "is no PEM".into(),
            "convert it by `openssl pkey -inform der`",
        )
    })?;
    PrivateKey::from_pem(text).map_err(|why| {
        let hint = match why.code() {
            "encrypted_key" => "`openssl pkey -in FILE -out PLAIN` decrypts it; mode 0600",
            _ => "it must hold one private key in PEM",
        };
        refuse(why.to_string(), &format!("{hint}; code {}", why.code()))
    })
}

fn done(output: Output, sentence: &str, value: &serde_json::Value) -> Result<(), Failure> {
    if output.is_value() {
        output.value(value)
    } else {
        output.text(&format!("{sentence}\n"))
    }
}
