-- I2, I7: a generation of a certificate has one version: the effect of its job was written once.
SELECT certificate_id, generation, count(*)
FROM version GROUP BY certificate_id, generation HAVING count(*) > 1
