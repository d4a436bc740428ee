-- The last samples of each service up to a time, oldest first.
SELECT
    sample.service_no, agent_no, seq, epoch_ms(ended_at), interval_ms, up_bytes, down_bytes,
    capacity_bytes_per_second, cpu_percent, memory_percent, gap, clock_corrected,
    up_total, down_total, identity
FROM sample
LEFT JOIN agent USING (agent_no)
WHERE ended_at <= make_timestamp_ms($2)
QUALIFY row_number() OVER (PARTITION BY sample.service_no ORDER BY ended_at DESC, seq DESC) <= $1
ORDER BY ended_at, seq;
