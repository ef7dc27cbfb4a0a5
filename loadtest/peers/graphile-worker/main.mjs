// Drives graphile-worker by the protocol of ../README.md.
//
// Invariant: what it measures is graphile-worker's own runner and utilities; the task only counts.
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import { asked, enqueue, ran, say } from "../protocol/protocol.mjs";

const logger = new Logger(() => (level, text) => {
  if (level === "error") console.error(text);
});
const connection = { connectionString: asked.dsn, logger };

/** The local queue needs room for many jobs; completions share statements within the delay. */
const profiles = {
  drain: { concurrentJobs: 200, localQueue: { size: 2000 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 },
  latency: { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 },
  default: {},
};

if (asked.verb === "setup") {
  await runMigrations(connection);
} else if (asked.verb === "work") {
  process.env.NO_LOG_SUCCESS = "1";
  const worker = { ...connection, maxPoolSize: 10, ...profiles[asked.profile] };
  say({ event: "ready" });
  await run({ preset: { worker }, taskList: { noop: async (job) => ran(job) } });
} else {
  const utils = await makeWorkerUtils({ ...connection, maxPoolSize: 1 });
  await utils.withPgClient((client) => client.query("SELECT 1"));
  await enqueue(
    (job) => utils.addJob("noop", job),
    (jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: "noop", payload }))),
  );
  await utils.release();
}
