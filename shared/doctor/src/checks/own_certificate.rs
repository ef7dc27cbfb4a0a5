//! Does the certificate that this machine's api shows live, and is it renewed?

use std::fs;
use std::path::{Path, PathBuf};

use certmill_crypto::chain::{Outline, certificates_from_pem};
use certmill_pg::vitals;
use certmill_settings::{Role, Settings};
use certmill_telemetry::clock::now_utc;
use time::OffsetDateTime;

use crate::{Check, Finding, Patient};

const ID: &str = "own_certificate";
/// Own certificates are renewed at a third of their life before the end; half of that is late.
const LATE_SHARE: i32 = 6;

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    if !matches!(patient.settings.role, Role::Up | Role::Api) {
        return Vec::new();
    }
    let file = chain_file(&patient.settings);
    if !file.exists() && patient.settings.tls.is_none() {
        return vec![Finding::ok(ID, "none yet; the first start obtains one")];
    }
    // Without the database this machine's clock has to do.
    let now = patient.ask(vitals::clock).await.unwrap_or_else(now_utc);
    match outline(&file) {
        Ok(leaf) => vec![judge(&file, &leaf, now)],
        Err(why) => vec![Finding::fail(
            ID,
            format!("{}: {why}", file.display()),
            "clients cannot connect",
            "remove the folder api-tls and restart, or mend tls.cert_file",
        )],
    }
}

fn chain_file(settings: &Settings) -> PathBuf {
    match &settings.tls {
        Some(files) => files.cert_file.clone(),
        None => settings.data_dir.join("api-tls").join("chain.pem"),
    }
}

fn outline(file: &Path) -> Result<Outline, String> {
    let text = fs::read_to_string(file).map_err(|why| why.to_string())?;
    let chain = certificates_from_pem(&text).map_err(|why| why.to_string())?;
    let leaf = chain.first().ok_or("it holds no certificate")?;
    Outline::from_der(leaf).map_err(|why| why.to_string())
}

fn judge(file: &Path, leaf: &Outline, now: OffsetDateTime) -> Finding {
    let (life, left) = (leaf.not_after - leaf.not_before, leaf.not_after - now);
    let what = format!(
        "{} ends {} ({} hours left)",
        file.display(),
        leaf.not_after,
        left.whole_hours()
    );
    let fix = "look at `certmill explain` of its name; a worker that signs and a scheduler must \
               run; a supplied certificate is replaced in its files";
    if !left.is_positive() {
        return Finding::fail(ID, what, "clients refuse to connect", fix);
    }
    if left < life / LATE_SHARE {
        let why = "it should have been renewed by now; at its end clients refuse to connect";
        return Finding::warn(ID, what, why, fix);
    }
    Finding::ok(ID, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use time::Duration;

    #[test]
    fn late_is_told_before_the_end() {
        let leaf = Outline {
            subject: String::new(),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH + Duration::hours(60),
            spki_sha256: [0; 32],
        };
        let level = |hours| {
            let now = OffsetDateTime::UNIX_EPOCH + Duration::hours(hours);
            judge(Path::new("f"), &leaf, now).level
        };
        assert_eq!(
            (level(49), level(51), level(60)),
            (Level::Ok, Level::Warn, Level::Fail)
        );
    }
}
