-- I20: what was due when the last fault ended has moved. Run 60 s after that end (or earlier, to
-- see whether it is so already).
SELECT j.id::text, j.kind AS what, j.state, j.run_at AS due_at
FROM jobs j
WHERE j.state IN ('waiting', 'running') AND j.run_at <= (SELECT at FROM phase WHERE name = 'healed')
UNION ALL
SELECT c.id::text, 'certificate', c.status, c.renew_at
FROM certificate c
WHERE c.auto_renew AND c.renew_at <= (SELECT at FROM phase WHERE name = 'healed')
UNION ALL
SELECT c.id::text, 'certificate', c.status, c.created_at
FROM certificate c
WHERE c.status <> 'issued' AND c.created_at <= (SELECT at FROM phase WHERE name = 'healed')
