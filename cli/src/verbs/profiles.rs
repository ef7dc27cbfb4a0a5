//! `certmill profiles`.
//!
//! Invariant: the server decides what a profile may be; only forms are checked here.

use certmill_wire::{ProfileRequest, ProfileView, RenewalView};

use crate::args::{AddProfileArgs, PageArgs, ProfilesVerb};
use crate::failure::Failure;
use crate::output::{instant, span};
use crate::session::Session;

/// Runs a verb of profiles.
pub async fn run(verb: ProfilesVerb, session: &Session) -> Result<(), Failure> {
    match verb {
        ProfilesVerb::List(page) => list(&page, session).await,
        ProfilesVerb::Add(args) => add(args, session).await,
    }
}

async fn list(page: &PageArgs, session: &Session) -> Result<(), Failure> {
    let profiles = session.client.profiles(&page.paging()).await;
    let profiles = profiles.map_err(|error| Failure::of_call("profiles", &error))?;
    let output = &session.output;
    if output.is_value() {
        return output.value(&profiles);
    }
    let rows = profiles.data.iter().map(|profile| {
        vec![
            profile.name.clone(),
            profile.issuer.clone(),
            span(profile.lifetime_s),
            renewal(profile.renew),
            profile.key_source.clone(),
            profile.key_algorithms.join(", "),
            allowed(profile),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = [
        "NAME",
        "ISSUER",
        "LIFETIME",
        "RENEWED",
        "KEY SOURCE",
        "KEYS",
        "ALLOWS",
    ];
    output.rows(&header, &rows)?;
    output.note_next(profiles.next_cursor.as_deref());
    Ok(())
}

async fn add(args: AddProfileArgs, session: &Session) -> Result<(), Failure> {
    let request = request(args);
    let made = session.client.add_profile(&request).await;
    let made =
        made.map_err(|error| Failure::of_call(&format!("profile {}", request.name), &error))?;
    if session.output.is_value() {
        return session.output.value(&made);
    }
    session.output.fields(&[
        ("id", made.id.clone()),
        ("name", made.name.clone()),
        ("issuer", made.issuer.clone()),
        ("lifetime", span(made.lifetime_s)),
        ("renewed", renewal(made.renew)),
        ("key source", made.key_source.clone()),
        ("keys", made.key_algorithms.join(", ")),
        ("allows", allowed(&made)),
        ("created", instant(made.created_at)),
    ])
}

fn request(args: AddProfileArgs) -> ProfileRequest {
    // The longest duration that the parser takes is far below the limit of the type.
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let renew = RenewalView {
        fraction: args.renew_fraction,
        before_s: args.renew_before.map(seconds),
    };
    let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
    ProfileRequest {
        name: args.name,
        issuer: args.issuer,
        lifetime_s: seconds(args.lifetime),
        key_algorithms: given(
            args.key_algorithms
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
        key_source: args.key_source,
        renew: (renew.fraction.is_some() || renew.before_s.is_some()).then_some(renew),
        allowed_names: given(args.allowed_names),
    }
}

fn renewal(renew: RenewalView) -> String {
    match (renew.fraction, renew.before_s) {
        (_, Some(seconds)) => format!("{} before the end", span(seconds)),
        (Some(share), None) => format!("after {:.0} % of the life", share * 100.0),
        (None, None) => String::new(),
    }
}

fn allowed(profile: &ProfileView) -> String {
    if profile.allowed_names.is_empty() {
        "all names".to_owned()
    } else {
        profile.allowed_names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn args() -> AddProfileArgs {
        AddProfileArgs {
            name: "web".into(),
            lifetime: Duration::from_secs(3_600),
            issuer: None,
            renew_before: None,
            renew_fraction: None,
            key_source: None,
            key_algorithms: Vec::new(),
            allowed_names: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_given_is_left_to_the_server() {
        let bare = request(args());
        assert_eq!(bare.lifetime_s, 3_600);
        assert!(bare.renew.is_none() && bare.key_algorithms.is_none());
        assert!(bare.allowed_names.is_none() && bare.issuer.is_none());
        let before = AddProfileArgs {
            renew_before: Some(Duration::from_secs(600)),
            ..args()
        };
        let renew = request(before).renew.unwrap_or_default();
        assert_eq!((renew.fraction, renew.before_s), (None, Some(600)));
        assert_eq!(renewal(renew), "10m before the end");
    }
}
