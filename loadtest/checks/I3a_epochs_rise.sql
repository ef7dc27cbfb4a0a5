-- I3: epochs rise strictly in the order of commits.
SELECT name, epoch, before
FROM (SELECT name, epoch, lag(epoch) OVER (PARTITION BY name ORDER BY seq) AS before
      FROM leader_epochs) q
WHERE epoch <= before
