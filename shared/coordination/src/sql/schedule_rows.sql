-- Schedules with what became of their last jobs. A job stands in one of the two tables; the newest row
-- of the history counts, for a job that was retried by hand has two.
SELECT s.name, extract(epoch FROM s.period)::float8 AS period_s, s.next_slot, s.last_job_id,
       (SELECT max(t.slot) FROM schedule_tick t WHERE t.schedule = s.name) AS last_slot,
       coalesce(j.state, h.outcome) AS standing,
       CASE WHEN j.id IS NULL THEN h.finalized_at END AS ended_at,
       CASE WHEN j.id IS NULL THEN extract(epoch FROM h.finalized_at - h.claimed_at)::float8 END AS took_s
FROM schedule s
LEFT JOIN job j ON j.id = s.last_job_id
LEFT JOIN LATERAL (
    SELECT e.outcome, e.claimed_at, e.finalized_at FROM job_history e
    WHERE e.id = s.last_job_id ORDER BY e.finalized_at DESC LIMIT 1) h ON true
ORDER BY s.name
