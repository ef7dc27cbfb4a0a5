-- I23: no version lives longer than its profile and its authority allow. (What it says of names and
-- keys is compared with the order before it is stored; linters read the certificates themselves.)
SELECT v.id, 'ends before it begins' AS what FROM version v WHERE v.not_after <= v.not_before
UNION ALL
SELECT v.id, 'lives longer than its profile allows'
FROM version v JOIN certificate c ON c.id = v.certificate_id JOIN profile p ON p.id = c.profile_id
WHERE extract(epoch FROM v.not_after - v.not_before) > p.lifetime_s + least(300, p.lifetime_s / 10.0) + 1
UNION ALL
SELECT v.id, 'outlives its authority'
FROM version v JOIN ca_key k ON k.id = v.ca_key_id
WHERE v.not_after > k.not_after + interval '1 s'
