// Drives pg-boss by the protocol of ../README.md.
//
// Invariant: what it measures is pg-boss's own worker and client; the handler only counts.
import { PgBoss } from "pg-boss";
import { asked, enqueue, ran, say } from "../protocol/protocol.mjs";

const QUEUE = "noop";

/** Large batches, fetched again at once while they come full; woken by NOTIFY where few jobs come. */
const profiles = {
  drain: { batchSize: 1000, localConcurrency: 2, burstWhenBatchFull: true },
  latency: { batchSize: 100, localConcurrency: 1, burstWhenBatchFull: true },
  default: {},
};
const notify = asked.profile === "latency";

const boss = new PgBoss({
  connectionString: asked.dsn,
  max: asked.verb === "work" ? 10 : 1,
  useListenNotify: notify && asked.verb === "work",
  // Upkeep belongs to a worker: a client that enqueues shall do nothing else.
  supervise: asked.verb === "work",
  schedule: false,
});
boss.on("error", (error) => console.error(error));
await boss.start();

if (asked.verb === "setup") {
  await boss.createQueue(QUEUE, { notify: true });
  await boss.stop({ graceful: false });
} else if (asked.verb === "work") {
  say({ event: "ready" });
  await boss.work(QUEUE, profiles[asked.profile], async (jobs) => {
    for (const job of jobs) ran(job.data);
  });
} else {
  await enqueue(
    (job) => boss.send(QUEUE, job),
    (jobs) => boss.insert(QUEUE, jobs.map((data) => ({ data }))),
  );
  await boss.stop({ graceful: false });
}
