-- Volumes by the day, so that what all services moved in a long time is known
-- without reading every hour of it.
CREATE TABLE day_volume (
    service_no INTEGER NOT NULL,
    bucket     TIMESTAMP_MS NOT NULL,
    up_bytes   UBIGINT NOT NULL,
    down_bytes UBIGINT NOT NULL,
    covered_ms UBIGINT NOT NULL,
    up_peak    UBIGINT NOT NULL,
    down_peak  UBIGINT NOT NULL,
    samples    UINTEGER NOT NULL
);
INSERT INTO day_volume
SELECT
    service_no,
    date_trunc('day', bucket)::TIMESTAMP_MS AS bucket,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT,
    sum(covered_ms)::UBIGINT,
    max(up_peak),
    max(down_peak),
    least(sum(samples), 4294967295)::UINTEGER
FROM hour_volume
GROUP BY service_no, date_trunc('day', bucket)::TIMESTAMP_MS
ORDER BY bucket, service_no;

COMMENT ON TABLE day_volume IS 'Volumes of each service by the day of UTC. recent_volume is not in it.';
COMMENT ON COLUMN day_volume.service_no IS 'The service.';
COMMENT ON COLUMN day_volume.bucket IS 'Begin of the day, UTC.';
COMMENT ON COLUMN day_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN day_volume.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN day_volume.covered_ms IS 'How much of the day samples cover, milliseconds.';
COMMENT ON COLUMN day_volume.up_peak IS 'Highest speed of a sample that sent, bytes per second.';
COMMENT ON COLUMN day_volume.down_peak IS 'Highest speed of a sample that received, bytes per second.';
COMMENT ON COLUMN day_volume.samples IS 'How many samples ended in the day.';
