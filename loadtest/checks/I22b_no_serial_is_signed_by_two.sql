-- I22: what was issued hangs below the authority that its order was drawn for: a rollover in between
-- must have drawn it anew, with another serial.
SELECT v.id, o.id AS order_id
FROM version v
JOIN cert_order o ON o.id = v.order_id
JOIN ca_key k ON k.id = o.ca_key_id
WHERE v.chain_der[1] IS DISTINCT FROM k.certificate_der
