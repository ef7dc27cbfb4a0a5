//! Packs without a database: when one is used, when it lapses, how large the next one is; denials.
#![allow(clippy::unwrap_used)]

use super::*;

const LIMIT: GcraLimit = GcraLimit {
    emission_interval: Duration::from_millis(1),
    burst: 2000,
};
const EXACT: GcraLimit = GcraLimit {
    emission_interval: Duration::from_secs(1),
    burst: 3,
};
const K: [Ask<'_>; 1] = [Ask {
    key: "k",
    limit: LIMIT,
}];

fn granted(n: u32, left: u32) -> Option<Said> {
    let taken = Taken {
        granted: true,
        left,
        retry_after: None,
    };
    Some(Said { n, taken })
}

fn denied(retry_after: Option<Duration>) -> Option<Said> {
    let taken = Taken {
        granted: false,
        left: 0,
        retry_after,
    };
    Some(Said { n: 1, taken })
}

fn short<const N: usize>(packs: &mut Packs, asks: &[Ask<'_>; N], now: Instant) -> Short<N> {
    match packs.look(asks, now) {
        Look::Short(short) => short,
        Look::Ruled(ruling) => panic!("{ruling:?}"),
    }
}

fn ruled<const N: usize>(packs: &mut Packs, asks: &[Ask<'_>; N], now: Instant) -> Ruling<N> {
    match packs.look(asks, now) {
        Look::Ruled(ruling) => ruling,
        Look::Short(short) => panic!("{:?}", short.places),
    }
}

/// How many the next pack should hold.
fn size(packs: &mut Packs, now: Instant) -> u32 {
    match short(packs, &K, now).places {
        [Place::Needs(n)] => n,
        places => panic!("{places:?}"),
    }
}

/// Brings a pack of `n`, of which one is used at once.
fn bring(packs: &mut Packs, n: u32, asked: Instant, now: Instant) {
    let needs = Short {
        places: [Place::Needs(n)],
        gate: None,
    };
    let ruling = packs.settle(&K, &needs, &[granted(n, 1000)], asked, now);
    assert!(ruling.is_allowed());
}

fn at_hand(packs: &mut Packs, now: Instant) -> usize {
    let is_ruled = |_: &i32| matches!(packs.look(&K, now), Look::Ruled(_));
    (0..200).take_while(is_ruled).count()
}

#[test]
fn small_limits_are_taken_pass_by_pass() {
    assert_eq!(largest(EXACT), 1);
    assert_eq!(largest(GcraLimit::per_second(20, 1000)), 2);
    assert_eq!(largest(LIMIT), PACK_MOST);
    let small_burst = GcraLimit { burst: 5, ..LIMIT };
    assert_eq!(largest(small_burst), 1, "a pack must not use up the burst");
    assert_eq!(shortened(LIMIT).burst, 1900);
    assert_eq!(shortened(EXACT), EXACT);
    let ask = [Ask {
        key: "k",
        limit: EXACT,
    }];
    let (mut packs, now) = (Packs::default(), Instant::now());
    let needs = short(&mut packs, &ask, now);
    assert!(
        packs
            .settle(&ask, &needs, &[granted(1, 2)], now, now)
            .is_allowed()
    );
    assert!(packs.held.is_empty(), "and nothing is remembered of them");
}

#[test]
fn a_pack_is_used_up_or_lapses() {
    let (mut packs, now) = (Packs::default(), Instant::now());
    assert_eq!(size(&mut packs, now), 1, "the first pass comes alone");
    bring(&mut packs, 1, now, now);
    assert_eq!(size(&mut packs, now), 2, "used up in time");
    bring(&mut packs, 16, now, now);
    assert_eq!(at_hand(&mut packs, now), 15);
    assert_eq!(size(&mut packs, now), 32);
    bring(&mut packs, 16, now, now);
    assert_eq!(size(&mut packs, now + LIFE), 8, "what is left is lost");
}

#[test]
fn no_more_is_asked_for_than_was_left() {
    let (mut packs, now) = (Packs::default(), Instant::now());
    let needs = short(&mut packs, &K, now);
    let ruling = packs.settle(&K, &needs, &[granted(1, 3)], now, now);
    assert_eq!(ruling.left, [3]);
    bring(&mut packs, 64, now, now);
    assert_eq!(at_hand(&mut packs, now), 63);
    let needs = short(&mut packs, &K, now);
    packs.settle(&K, &needs, &[granted(64, 3)], now, now);
    assert_eq!(at_hand(&mut packs, now), 63);
    assert_eq!(size(&mut packs, now), 3);
    let later = now + Duration::from_millis(5);
    assert_eq!(size(&mut packs, later), 8, "five came back");
}

#[test]
fn packs_that_were_taken_at_the_same_time_are_put_together() {
    let (mut packs, first) = (Packs::default(), Instant::now());
    let (second, late) = (first + LIFE / 4, first + LIFE * 3 / 4);
    assert_eq!(size(&mut packs, first), 1);
    bring(&mut packs, 8, second, second);
    bring(&mut packs, 4, first, second);
    assert_eq!(
        at_hand(&mut packs, late),
        10,
        "what was accounted for passes"
    );
    assert_eq!(size(&mut packs, late), 16, "as after the larger");

    bring(&mut packs, 8, first, second);
    bring(&mut packs, 8, second, second);
    assert_eq!(
        at_hand(&mut packs, first + LIFE),
        0,
        "none lives longer than it was good for"
    );
}

#[test]
fn a_denial_holds_until_its_wait_is_over_and_no_longer() {
    let ask = [Ask {
        key: "k",
        limit: EXACT,
    }];
    let (mut packs, asked) = (Packs::default(), Instant::now());
    let (wait, answered) = (
        Duration::from_millis(700),
        asked + Duration::from_millis(90),
    );
    let needs = short(&mut packs, &ask, asked);
    let ruling = packs.settle(&ask, &needs, &[denied(Some(wait))], asked, answered);
    let retry_after = |ruling: Ruling<1>| ruling.denied.map(|denial| denial.retry_after);
    assert_eq!(retry_after(ruling), Some(wait));
    let later = ruled(&mut packs, &ask, answered);
    assert_eq!(retry_after(later), Some(wait - Duration::from_millis(90)));
    assert_eq!(later.left, [0]);
    short(&mut packs, &ask, asked + wait);

    packs.settle(&ask, &needs, &[denied(None)], asked + wait, asked + wait);
    short(&mut packs, &ask, asked + wait);
}

#[test]
fn two_limits_are_asked_for_together_and_none_is_charged_for_a_denial() {
    let asks = [
        K[0],
        Ask {
            key: "address",
            limit: LIMIT,
        },
    ];
    let (mut packs, now) = (Packs::default(), Instant::now());
    let needs = short(&mut packs, &asks, now);
    assert!(matches!(needs.places, [Place::Needs(1), Place::Needs(1)]));
    let both = [granted(8, 100), granted(4, 100)];
    assert!(packs.settle(&asks, &needs, &both, now, now).is_allowed());
    for _ in 0..3 {
        assert!(ruled(&mut packs, &asks, now).is_allowed());
    }
    // The address is used up; four of the key's eight are left, one of which is set aside.
    let needs = short(&mut packs, &asks, now);
    assert!(matches!(
        needs.places,
        [Place::SetAside { .. }, Place::Needs(8)]
    ));
    let said = [None, denied(Some(LIFE))];
    let ruling = packs.settle(&asks, &needs, &said, now, now);
    assert_eq!(ruling.denied.map(|denial| denial.nth), Some(1));
    assert_eq!(at_hand(&mut packs, now), 4, "what was set aside is back");
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut packs, now) = (Packs::default(), Instant::now());
    let names: Vec<String> = (0..KEYS_MOST + 10).map(|n| n.to_string()).collect();
    fn ask(key: &str) -> [Ask<'_>; 1] {
        [Ask { key, limit: LIMIT }]
    }
    for name in &names {
        let needs = short(&mut packs, &ask(name), now);
        packs.settle(&ask(name), &needs, &[denied(Some(LIFE))], now, now);
    }
    assert_eq!(packs.held.len(), KEYS_MOST);
    let later = now + LIFE * 2;
    short(&mut packs, &ask("new"), later);
    assert_eq!(packs.held.len(), 1);
}
