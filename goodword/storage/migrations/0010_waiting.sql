CREATE INDEX reward_waiting ON reward (account_id, supplier_id, updated_at) WHERE waiting = 'supplier';
