//! The command line over many jobs, while the worker that carries them dies in the middle.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ONE_AT_A_TIME;
use crate::killed::kill_holder;
use crate::progress::say;
use crate::public::Public;

const JOBS: i64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn many_jobs_are_moved_and_cancelled_once_although_workers_die() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut site = Public::open(&[]).await;
    sqlx::raw_sql(
        "INSERT INTO lane (name) VALUES ('here'), ('there'); \
         INSERT INTO job (team_id, queue, kind, run_at) \
         SELECT 1, 'here', 'revoke', now() + interval '1 day' FROM generate_series(1, 20000)",
    )
    .execute(site.cluster.owner())
    .await
    .unwrap();

    let words = ["--queue", "here", "--to-queue", "there", "-o", "json"];
    let moving = ["jobs", "bulk", "move", "--reason", "a test"];
    let started = json(&site.good(&[&moving[..], &words].concat()));
    let mut kills = 0;
    while kills < 3 && kill_holder(&mut site, "j.kind = 'bulk'").await {
        kills += 1;
        if is_over(&site, &started) {
            break;
        }
    }
    assert!(kills > 0, "no worker was killed meanwhile");
    let moved = ended(&site, &started).await;
    say(format_args!("{kills} workers killed: {moved}"));
    assert_eq!(moved["state"], "completed");
    assert_eq!(
        (&moved["done"], &moved["skipped"]),
        (&JOBS.into(), &0.into())
    );
    assert_eq!(site.cluster.count("job WHERE queue = 'there'").await, JOBS);
    let again = site.good(&["operations", "list", "-o", "name"]);
    assert_eq!(again.lines().count(), 1, "{again}");

    lanes(&site);
    cancels(&site).await;
}

fn lanes(site: &Public) {
    let lane = |verb: &[&str]| json(&site.good(&[&["lanes"], verb, &["-o", "json"]].concat()));
    let paused = lane(&["pause", "there", "--reason", "too hot"]);
    assert_eq!(paused["pause_reason"], "too hot", "{paused}");
    let told = site.good(&["lanes", "list"]);
    assert!(told.contains("too hot"), "{told}");
    assert_eq!(lane(&["resume", "there"])["paused_at"], Value::Null);
    assert_eq!(lane(&["limit", "there", "3"])["max_running"], 3);
    assert_eq!(
        lane(&["limit", "there", "--none"])["max_running"],
        Value::Null
    );
    let (code, said) = site.certmill(&["lanes", "pause", "nowhere"]);
    assert_eq!(code, Some(9), "{said}");
}

async fn cancels(site: &Public) {
    let words = ["jobs", "bulk", "cancel", "--queue", "there"];
    let with = |more: &[&'static str]| [&words[..], more].concat();
    let plan = json(&site.good(&with(&["--dry-run", "-o", "json"])));
    assert!(plan["count"].as_i64().unwrap() > 0, "{plan}");
    let (code, said) = site.certmill(&words);
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(site.cluster.count("job WHERE queue = 'there'").await, JOBS);
    let done = json(&site.good(&with(&["--yes", "--wait", "-o", "json"])));
    assert_eq!(done["done"], JOBS, "{done}");
    let history = "job_history WHERE queue = 'there' AND outcome = 4";
    assert_eq!(site.cluster.count(history).await, JOBS);
    assert_eq!(site.cluster.count("job WHERE queue = 'there'").await, 0);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn show(site: &Public, started: &Value) -> Value {
    let id = started["id"].as_str().unwrap();
    json(&site.good(&["operations", "show", id, "-o", "json"]))
}

fn is_over(site: &Public, started: &Value) -> bool {
    show(site, started)["ended_at"] != Value::Null
}

async fn ended(site: &Public, started: &Value) -> Value {
    let give_up = Instant::now() + PATIENCE;
    while !is_over(site, started) {
        assert!(Instant::now() < give_up, "{}", show(site, started));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    show(site, started)
}
