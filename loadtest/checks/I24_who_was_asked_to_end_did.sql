-- I24: a process that was asked to end claims nothing from then on, has left the list of the
-- living, holds no job, and does not lead.
SELECT a.process_id, a.role, 'claimed job ' || e.job_id AS what
FROM asked_to_end a JOIN job_events e ON e.worker = a.process_id AND e.ev = 'claimed' AND e.at > a.at
UNION ALL
SELECT a.process_id, a.role, 'its row lives' FROM asked_to_end a JOIN process p ON p.id = a.process_id
WHERE p.dead_at IS NULL
UNION ALL
SELECT a.process_id, a.role, 'it holds job ' || j.id
FROM asked_to_end a JOIN job j ON j.state = 1 AND j.worker_id = a.process_id
UNION ALL
SELECT a.process_id, a.role, 'it leads'
FROM asked_to_end a JOIN process p ON p.id = a.process_id JOIN leader l ON l.label = p.label
WHERE l.holder IS NOT NULL AND l.expires_at > clock_timestamp()
