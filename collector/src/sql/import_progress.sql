-- The last sample of an import.
SELECT seq, epoch_ms(ended_at), up_total, down_total
FROM import_mark
JOIN agent USING (agent_no)
WHERE identity = $1
ORDER BY seq DESC
LIMIT 1;
