-- The last samples of each service up to a time, oldest first, and the last of those
-- after it: what who told it has counted goes on from there where the clock is behind.
-- One of an agent of ours does not say which: it is taken for the service's newest.
-- Parameters: how many; up to when; how identities of imports and of HTTP begin.
WITH usual AS (
    SELECT service_no, max(agent_no) AS agent_no
    FROM agent
    WHERE NOT starts_with(identity, $3) AND NOT starts_with(identity, $4)
    GROUP BY service_no
)
SELECT
    sample.service_no, agent.agent_no, epoch_ms(ended_at), interval_ms, up_bytes, down_bytes,
    capacity_bytes_per_second, cpu_percent::FLOAT, memory_percent::FLOAT, gap, clock_corrected,
    up_total, down_total, identity
FROM sample
LEFT JOIN usual USING (service_no)
LEFT JOIN agent ON agent.agent_no = coalesce(sample.agent_no, usual.agent_no)
QUALIFY row_number() OVER (
    PARTITION BY sample.service_no, ended_at <= make_timestamp_ms($2)
    ORDER BY ended_at DESC, interval_ms DESC, up_bytes DESC, down_bytes DESC
) <= if(ended_at <= make_timestamp_ms($2), $1, 1)
ORDER BY ended_at, interval_ms, up_bytes, down_bytes;
