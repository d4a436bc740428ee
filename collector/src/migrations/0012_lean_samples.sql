-- Of a sample as it came only what somebody asks for. Its number is in stored_range,
-- and what an agent of ours has counted in all is the sum of its service.
DROP VIEW latest_samples;
ALTER TABLE sample DROP COLUMN seq;
-- DuckDB packs numbers with decimals, and floating ones not at all.
ALTER TABLE sample ALTER COLUMN cpu_percent
    TYPE DECIMAL(4, 1) USING try_cast(cpu_percent AS DECIMAL(4, 1));
ALTER TABLE sample ALTER COLUMN memory_percent
    TYPE DECIMAL(4, 1) USING try_cast(memory_percent AS DECIMAL(4, 1));

COMMENT ON COLUMN sample.agent_no IS 'Who told it, where that is no agent of ours: an import, or an agent of the original. Of samples from before version 12 every agent.';
COMMENT ON COLUMN sample.up_total IS 'Bytes that who told it had sent in all, where that is no agent of ours.';
COMMENT ON COLUMN sample.down_total IS 'Bytes that it had received in all.';

CREATE VIEW latest_samples AS
SELECT
    service.id AS service,
    ended_at,
    interval_ms,
    up_bytes,
    down_bytes,
    (up_bytes::HUGEINT * 1000 // interval_ms)::UBIGINT AS up_bytes_per_second,
    (down_bytes::HUGEINT * 1000 // interval_ms)::UBIGINT AS down_bytes_per_second,
    sample.capacity_bytes_per_second,
    cpu_percent,
    memory_percent,
    gap,
    clock_corrected
FROM sample
JOIN service USING (service_no);
COMMENT ON VIEW latest_samples IS 'The last samples of each service, with names and speeds.';
COMMENT ON COLUMN latest_samples.service IS 'Id of the service.';
COMMENT ON COLUMN latest_samples.ended_at IS 'End of the interval, UTC.';
COMMENT ON COLUMN latest_samples.interval_ms IS 'Length of the interval, milliseconds.';
COMMENT ON COLUMN latest_samples.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN latest_samples.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN latest_samples.up_bytes_per_second IS 'Mean speed of sending.';
COMMENT ON COLUMN latest_samples.down_bytes_per_second IS 'Mean speed of receiving.';
COMMENT ON COLUMN latest_samples.capacity_bytes_per_second IS 'What the agent says the link can carry, per direction.';
COMMENT ON COLUMN latest_samples.cpu_percent IS 'Processor load of the whole host.';
COMMENT ON COLUMN latest_samples.memory_percent IS 'Memory in use of the whole host.';
COMMENT ON COLUMN latest_samples.gap IS 'Covers time in which the agent did not run.';
COMMENT ON COLUMN latest_samples.clock_corrected IS 'The agent''s clock was impossible: ended_at is the time of arrival.';
