// The protocol of README.md for peers in JavaScript: arguments, events, counting and enqueuing.
//
// Invariant: an event is one line on stdout, written at once.
import { readFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "dsn-file": { type: "string" },
    profile: { type: "string", default: "drain" },
    jobs: { type: "string", default: "0" },
    batch: { type: "string", default: "5000" },
    rate: { type: "string", default: "50" },
    "tell-starts": { type: "boolean", default: false },
  },
});

/** What the command line asks for. */
export const asked = {
  verb: positionals[0],
  dsn: readFileSync(values["dsn-file"], "utf8").trim(),
  profile: values.profile,
  jobs: Number(values.jobs),
  batch: Number(values.batch),
  rate: Number(values.rate),
};

/** Writes one event. */
export function say(event) {
  writeSync(1, JSON.stringify(event) + "\n");
}

/** The wall clock in microseconds. */
const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

let count = 0;

/** The handler: counts, and tells how long the job waited where that is asked for. */
export function ran(job) {
  if (values["tell-starts"]) say({ event: "started", us: nowUs() - job.us });
  count += 1;
  if (count === asked.jobs) say({ event: "ran", jobs: count });
}

/** Enqueues as the verb says, by `one(job)` or `many(jobs)`. */
export async function enqueue(one, many) {
  const began = performance.now();
  if (asked.verb === "bulk") {
    for (let from = 0; from < asked.jobs; from += asked.batch) {
      const size = Math.min(asked.batch, asked.jobs - from);
      await many(Array.from({ length: size }, (_, n) => ({ n: from + n, us: 0 })));
    }
  } else if (asked.verb === "single" || asked.verb === "pace") {
    for (let n = 0; n < asked.jobs; n += 1) {
      const wait = asked.verb === "pace" ? began + (n * 1000) / asked.rate - performance.now() : 0;
      if (wait > 0) await new Promise((wake) => setTimeout(wake, wait));
      await one({ n, us: nowUs() });
    }
  } else {
    throw new Error(`no such verb: ${asked.verb}`);
  }
  say({ event: "enqueued", jobs: asked.jobs, seconds: (performance.now() - began) / 1000 });
}
