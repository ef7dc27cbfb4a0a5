-- I14: a CA whose limits are our budgets never had to refuse an order for them.
SELECT seq, operation FROM h_ca WHERE operation = 'new_order' AND NOT accepted
