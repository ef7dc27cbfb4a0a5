-- I1: a definite failure leaves nothing behind, unless another request of that name went through.
SELECT h.op_id, h.name, c.id
FROM h_enqueue h JOIN certificate c ON c.name = h.name
WHERE h.outcome = 'fail' AND h.op <> 'renew'
  AND NOT EXISTS (SELECT 1 FROM h_enqueue o WHERE o.name = h.name AND o.outcome <> 'fail')
