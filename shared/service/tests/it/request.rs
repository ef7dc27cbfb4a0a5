//! Requests: what is written together, what each item is told, what a repeat is answered.

use certmill_crypto::csr::Csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::certificate::CertificateStatus;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::profile::KeySource;
use certmill_domain::renewal::RenewalRule;
use certmill_service::certificates::{self, Ask, ItemOutcome};
use certmill_service::{Caller, Context, Error, Idempotency, Role, profiles};
use secrecy::ExposeSecret as _;
use time::Duration;

use crate::rig::*;

async fn add_profile(rig: &Rig, name: &str, key_source: KeySource, allowed: &[&str]) {
    let ask = profiles::Ask {
        name: name.into(),
        issuer: None,
        lifetime: Duration::days(10),
        key_algorithms: vec![KeyAlgorithm::EcdsaP384],
        key_source,
        renewal: RenewalRule::default(),
        allowed_names: allowed.iter().map(ToString::to_string).collect(),
    };
    let admin = Caller {
        role: Role::Admin,
        ..caller()
    };
    profiles::add(&rig.context, &admin, ask).await.unwrap();
}

fn under(profile: &str, ask: Ask) -> Ask {
    Ask {
        profile: Some(profile.into()),
        ..ask
    }
}

#[tokio::test]
async fn one_request_writes_certificate_order_job_audit_row_and_event() {
    let rig = rig().await;

    let (id, job) = request(&rig, "Shop.Example.com").await;

    let seen = show(&rig, id).await;
    assert_eq!(
        (
            seen.certificate.name.as_str(),
            seen.profile.as_str(),
            seen.issuer.as_str()
        ),
        ("shop.example.com", "default", "local")
    );
    assert_eq!(seen.certificate.status, CertificateStatus::Pending);
    let live = seen.job.unwrap();
    assert_eq!(
        (live.id, live.trace_id.as_deref(), live.object),
        (job, Some("trace_1"), Some(id.to_string()))
    );
    let order = standing(&rig, id, 1).await.unwrap();
    let life = order.plan.validity.not_after - now(&rig).await;
    assert!(
        life > Duration::days(46) && life <= Duration::days(47),
        "{life}"
    );
    let audited = format!(
        "audit WHERE object = '{id}' AND action = 'certificate.request' AND request_id = 'req_1'"
    );
    assert_eq!(count(&rig, &audited).await, 1);
    assert_eq!(
        count(
            &rig,
            &format!("event WHERE object = '{id}' AND code = 'requested'")
        )
        .await,
        1
    );
}

#[tokio::test]
async fn each_ask_of_a_bulk_request_gets_its_own_outcome_in_order() {
    let rig = rig().await;
    request(&rig, "taken.example.com").await;
    add_profile(&rig, "narrow", KeySource::Csr, &["*.internal.example.com"]).await;
    let mut bad_name = ask("ok.example.com");
    bad_name.name = "foo_bar.example.com".into();
    let asks = vec![
        ask("a.example.com"),
        ask("taken.example.com"),
        under("nowhere", ask("b.example.com")),
        bad_name,
        Ask {
            csr_pem: None,
            ..ask("c.example.com")
        },
        under("narrow", ask("d.example.com")),
        ask("a.example.com"),
        ask("z.example.com"),
    ];

    let answers = outcomes(&rig, asks).await;

    assert!(matches!(&answers[0], ItemOutcome::Accepted { name, .. } if name == "a.example.com"));
    assert!(matches!(&answers[1], ItemOutcome::Exists { name } if name == "taken.example.com"));
    assert_eq!(
        faults(&answers[2]),
        [("/items/2/profile", "profile_unknown")]
    );
    assert_eq!(faults(&answers[3])[0].0, "/items/3/name");
    assert_eq!(faults(&answers[4]), [("/items/4/csr", "csr_missing")]);
    assert_eq!(
        faults(&answers[5]),
        [("/items/5", "key_algorithm_not_allowed")]
    );
    assert!(
        matches!(&answers[6], ItemOutcome::Exists { .. }),
        "twice in one request"
    );
    assert!(matches!(&answers[7], ItemOutcome::Accepted { .. }));
    assert_eq!(
        (
            count(&rig, "certificate").await,
            count(&rig, "cert_order").await,
            count(&rig, "job").await
        ),
        (3, 3, 3)
    );
}

#[tokio::test]
async fn names_outside_the_profile_are_refused() {
    let rig = rig().await;
    add_profile(&rig, "narrow", KeySource::Csr, &["*.internal.example.com"]).await;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).unwrap();
    let names = Names::parse(["a.internal.example.com", "evil.example.com"]).unwrap();
    let csr = certmill_crypto::csr::to_pem(&certmill_crypto::csr::create(&key, &names).unwrap());
    let smuggled = Ask {
        csr_pem: Some(csr),
        ..under("narrow", ask("a.internal.example.com"))
    };

    let answers = outcomes(&rig, vec![smuggled]).await;

    assert_eq!(
        faults(&answers[0]),
        [("/items/0", "name_not_allowed")],
        "names of the CSR count too"
    );
}

#[tokio::test]
async fn key_and_names_are_all_that_a_csr_gives() {
    let rig = rig().await;
    let csr = csr_pem(&["extra.example.com"]);
    let mine = Ask {
        sans: vec!["192.0.2.1".into()],
        csr_pem: Some(csr.clone()),
        ..ask("a.example.com")
    };

    let answers = outcomes(&rig, vec![mine]).await;

    let ItemOutcome::Accepted {
        certificate, name, ..
    } = &answers[0]
    else {
        panic!("{answers:?}")
    };
    let row = show(&rig, *certificate).await.certificate;
    assert_eq!(
        (name.as_str(), row.name.as_str()),
        ("a.example.com", "a.example.com")
    );
    assert_eq!(
        row.names,
        Names::parse(["a.example.com", "192.0.2.1", "extra.example.com"]).unwrap()
    );
    let parsed = Csr::parse(csr.as_bytes()).unwrap();
    assert_eq!(row.spki_sha256, parsed.public_key.spki_sha256());
    assert_eq!(row.csr_der, parsed.der, "renewals use it again");
}

#[tokio::test]
async fn a_server_made_key_opens_again_for_its_team_only() {
    let rig = rig().await;
    add_profile(&rig, "sealed", KeySource::Sealed, &[]).await;
    let bare = Ask {
        csr_pem: None,
        ..under("sealed", ask("s.example.com"))
    };

    let answers = outcomes(&rig, vec![bare, under("sealed", ask("t.example.com"))]).await;

    let ItemOutcome::Accepted { certificate, .. } = answers[0] else {
        panic!("{answers:?}")
    };
    assert_eq!(faults(&answers[1]), [("/items/1/csr", "csr_not_wanted")]);
    let pem = certificates::key_pem(&rig.context, &caller(), certificate)
        .await
        .unwrap();
    let key = PrivateKey::from_pem(pem.expose_secret()).unwrap();
    let row = show(&rig, certificate).await.certificate;
    assert_eq!(key.public_key().spki_sha256().to_vec(), row.spki_sha256);
    assert_eq!(PrivateKey::algorithm(&key), KeyAlgorithm::EcdsaP384);
    assert_eq!(
        count(&rig, "audit WHERE action = 'certificate.export_key'").await,
        1
    );
    let foreign = certificates::key_pem(&rig.context, &stranger(), certificate).await;
    assert!(matches!(foreign, Err(Error::NotFound(_))));
    let keyless = Context {
        app_keys: None,
        ..rig.context.clone()
    };
    let closed = certificates::key_pem(&keyless, &caller(), certificate).await;
    assert!(matches!(closed, Err(Error::Misconfigured(_))));
    let (own, _) = request(&rig, "own.example.com").await;
    assert_eq!(
        conflict(certificates::key_pem(&rig.context, &caller(), own).await),
        "key_not_here"
    );
}

#[tokio::test]
async fn server_made_keys_need_the_operators_acknowledgement_and_a_key_file() {
    let rig = rig().await;
    add_profile(&rig, "sealed", KeySource::Sealed, &[]).await;
    let mut unacknowledged = rig.context.clone();
    unacknowledged.policy.acknowledge_sealed_keys = false;
    let keyless = Context {
        app_keys: None,
        ..rig.context.clone()
    };
    let bare = || Ask {
        csr_pem: None,
        ..under("sealed", ask("s.example.com"))
    };
    let asked = vec![bare()];
    let answer = certificates::request(&unacknowledged, &caller(), asked, pointer, None).await;
    let [ItemOutcome::Refused { faults }] = &answer.unwrap().value[..] else {
        panic!("not refused");
    };
    assert_eq!(faults[0].code, "sealed_keys_not_acknowledged");
    let answer = certificates::request(&keyless, &caller(), vec![bare()], pointer, None).await;
    let words = answer.unwrap_err().to_string();
    assert!(words.contains("app.kek"), "{words}");
    assert_eq!(count(&rig, "certificate").await, 0);
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_before() {
    let rig = rig().await;
    let used = |body| Idempotency {
        route: "POST /c",
        key: "k".into(),
        body_sha256: [body; 32],
    };
    let send = async |body, who: Caller| {
        certificates::request(
            &rig.context,
            &who,
            vec![ask("a.example.com")],
            pointer,
            Some(&used(body)),
        )
        .await
    };

    let first = send(1, caller()).await.unwrap();
    let again = send(1, caller()).await.unwrap();

    assert!(!first.replayed && again.replayed);
    let json = |value: &Vec<ItemOutcome>| serde_json::to_value(value).unwrap();
    assert_eq!(json(&first.value), json(&again.value));
    assert!(matches!(
        send(2, caller()).await,
        Err(Error::IdempotencyMismatch)
    ));
    let other = send(
        1,
        Caller {
            actor: "key_other".into(),
            ..caller()
        },
    )
    .await
    .unwrap();
    assert!(!other.replayed && matches!(other.value[0], ItemOutcome::Exists { .. }));
    assert_eq!(
        (count(&rig, "job").await, count(&rig, "audit").await),
        (1, 1)
    );
}

#[tokio::test]
async fn twins_at_once_make_one_certificate() {
    let rig = rig().await;
    let used = Idempotency {
        route: "POST /c",
        key: "k".into(),
        body_sha256: [1; 32],
    };
    let who = caller();
    let send = || {
        certificates::request(
            &rig.context,
            &who,
            vec![ask("a.example.com")],
            pointer,
            Some(&used),
        )
    };

    let (a, b) = tokio::join!(send(), send());

    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a.replayed, b.replayed);
    assert!(
        matches!((&a.value[0], &b.value[0]), (ItemOutcome::Accepted { job: one, .. }, ItemOutcome::Accepted { job: same, .. }) if one == same)
    );
    assert_eq!(count(&rig, "certificate").await, 1);
}

#[tokio::test]
async fn strangers_find_nothing() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    let (context, who) = (&rig.context, &stranger());
    assert!(matches!(
        certificates::by_id(context, who, id).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        certificates::versions(context, who, id, None, 10).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        certificates::chain_pem(context, who, id).await,
        Err(Error::NotFound(_))
    ));
    let filter = certmill_store::certificate::Filter::default();
    assert!(
        certificates::list(context, who, &filter, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        certificates::list(context, &caller(), &filter, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}
