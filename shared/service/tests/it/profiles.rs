//! Profiles: bounds are refused with words, all at once.

use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::KeySource;
use certmill_domain::renewal::RenewalRule;
use certmill_service::profiles::{self, Ask};
use certmill_service::{Caller, Error, Role};
use time::Duration;

use crate::rig::*;

fn admin() -> Caller {
    Caller {
        role: Role::Admin,
        ..caller()
    }
}

fn ask(name: &str) -> Ask {
    Ask {
        name: name.into(),
        issuer: None,
        lifetime: Duration::seconds(50),
        key_algorithms: Vec::new(),
        key_source: KeySource::Csr,
        renewal: RenewalRule::default(),
        allowed_names: vec!["*.example.com".into()],
    }
}

async fn refused(rig: &Rig, ask: Ask) -> Vec<(String, String)> {
    match profiles::add(&rig.context, &admin(), ask).await {
        Err(Error::Invalid(faults)) => shown(&faults)
            .into_iter()
            .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_profile_is_made_once_and_listed() {
    let rig = rig().await;

    let made = profiles::add(&rig.context, &admin(), ask("short"))
        .await
        .unwrap();

    assert_eq!(made.issuer, "local");
    assert_eq!(made.profile.key_algorithms, [KeyAlgorithm::EcdsaP256]);
    assert_eq!(
        count(
            &rig,
            "audit WHERE action = 'profile.add' AND actor = 'key_test'"
        )
        .await,
        1
    );
    let listed = profiles::list(&rig.context, &caller(), None, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
    let last = profiles::list(&rig.context, &caller(), Some(listed[1].profile.id), 10)
        .await
        .unwrap();
    assert_eq!(
        (&last[0].profile, last[0].issuer.as_str()),
        (&made.profile, "local")
    );
    let twin = profiles::add(&rig.context, &admin(), ask("short")).await;
    assert_eq!(conflict(twin), "profile_exists");
}

#[tokio::test]
async fn a_lifetime_under_ten_process_leases_is_refused_with_the_bounds() {
    let rig = rig().await;
    let short = Ask {
        lifetime: Duration::seconds(49),
        ..ask("short")
    };
    match profiles::add(&rig.context, &admin(), short).await {
        Err(Error::Invalid(faults)) => {
            assert_eq!(faults[0].code, "lifetime_out_of_bounds");
            assert!(faults[0].detail.contains("50..="), "{}", faults[0].detail);
        }
        other => panic!("{other:?}"),
    }
    let long = Ask {
        lifetime: Duration::days(5_000),
        ..ask("long")
    };
    assert_eq!(refused(&rig, long).await[0].1, "lifetime_out_of_bounds");
}

#[tokio::test]
async fn all_faults_come_at_once() {
    let rig = rig().await;
    let mut context = rig.context.clone();
    context.policy.acknowledge_sealed_keys = false;
    let rig = Rig { context, ..rig };
    let wrong = Ask {
        name: "No Name".into(),
        issuer: Some("elsewhere".into()),
        lifetime: Duration::seconds(1),
        renewal: RenewalRule::Fraction(1.5),
        key_source: KeySource::Sealed,
        ..ask("x")
    };
    let codes: Vec<String> = refused(&rig, wrong)
        .await
        .into_iter()
        .map(|(_, code)| code)
        .collect();
    assert_eq!(
        codes,
        [
            "name_form",
            "lifetime_out_of_bounds",
            "renewal_rule_out_of_bounds",
            "sealed_keys_not_acknowledged",
            "issuer_unknown"
        ]
    );
    assert_eq!(count(&rig, "profile").await, 2, "nothing was written");
}

#[tokio::test]
async fn only_an_admin_makes_profiles() {
    let rig = rig().await;
    let answer = profiles::add(&rig.context, &caller(), ask("short")).await;
    assert!(matches!(answer, Err(Error::Forbidden("operator"))));
}
