-- Declares processes dead whose lease has run out, if the one that asks was itself steady for a
-- whole lease: after an outage nobody is declared dead before everybody had time to beat.
-- Trap: after a step back of the clock a dead process's lease would seem to last for ever, so a
-- lease that ends further off than it can is as good as ended.
-- $1 process that asks
UPDATE process SET dead_at = clock_timestamp()
WHERE id = ANY (ARRAY(
    SELECT p.id FROM process p
    WHERE p.dead_at IS NULL AND p.id <> $1
      AND (p.expires_at < clock_timestamp() OR p.expires_at > clock_timestamp() + p.lease)
      AND EXISTS (SELECT 1 FROM process m
                  WHERE m.id = $1 AND m.dead_at IS NULL
                    AND m.steady_since <= clock_timestamp() - m.lease)
    FOR UPDATE SKIP LOCKED))
RETURNING id
