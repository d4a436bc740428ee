-- Sums over all services, so that a question about the fleet costs no more
-- than one about a service; and how far the volumes are sorted by service.

CREATE TABLE fleet_five_minutes (
    bucket     TIMESTAMP_MS NOT NULL,
    services   INTEGER NOT NULL,
    up_bytes   HUGEINT NOT NULL,
    down_bytes HUGEINT NOT NULL,
    covered_ms HUGEINT NOT NULL,
    up_mean    HUGEINT NOT NULL,
    down_mean  HUGEINT NOT NULL
);
CREATE TABLE fleet_hours AS FROM fleet_five_minutes;

INSERT INTO fleet_five_minutes
SELECT
    bucket,
    count(*),
    sum(up_bytes),
    sum(down_bytes),
    sum(covered_ms),
    sum(up_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)),
    sum(down_bytes::HUGEINT * 1000 // greatest(covered_ms, 1))
FROM five_minute_volume
SEMI JOIN service USING (service_no)
GROUP BY bucket
ORDER BY bucket;

INSERT INTO fleet_hours
SELECT
    bucket,
    count(*),
    sum(up_bytes),
    sum(down_bytes),
    sum(covered_ms),
    sum(up_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)),
    sum(down_bytes::HUGEINT * 1000 // greatest(covered_ms, 1))
FROM hour_volume
SEMI JOIN service USING (service_no)
GROUP BY bucket
ORDER BY bucket;

COMMENT ON TABLE fleet_five_minutes IS 'Joined five-minute buckets of all services together. recent_volume is not in it.';
COMMENT ON COLUMN fleet_five_minutes.bucket IS 'Begin of the five minutes, UTC.';
COMMENT ON COLUMN fleet_five_minutes.services IS 'How many services have volume in it.';
COMMENT ON COLUMN fleet_five_minutes.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN fleet_five_minutes.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN fleet_five_minutes.covered_ms IS 'How much of the bucket samples cover, summed over services, milliseconds.';
COMMENT ON COLUMN fleet_five_minutes.up_mean IS 'Mean speeds of sending over the covered time, summed over services, bytes per second.';
COMMENT ON COLUMN fleet_five_minutes.down_mean IS 'Mean speeds of receiving over the covered time, summed over services, bytes per second.';

COMMENT ON TABLE fleet_hours IS 'Joined buckets of an hour of all services together. recent_volume is not in it.';
COMMENT ON COLUMN fleet_hours.bucket IS 'Begin of the hour, UTC.';
COMMENT ON COLUMN fleet_hours.services IS 'How many services have volume in it.';
COMMENT ON COLUMN fleet_hours.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN fleet_hours.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN fleet_hours.covered_ms IS 'How much of the bucket samples cover, summed over services, milliseconds.';
COMMENT ON COLUMN fleet_hours.up_mean IS 'Mean speeds of sending over the covered time, summed over services, bytes per second.';
COMMENT ON COLUMN fleet_hours.down_mean IS 'Mean speeds of receiving over the covered time, summed over services, bytes per second.';

CREATE TABLE sorted_volume (
    table_name VARCHAR NOT NULL,
    block_ms   BIGINT NOT NULL,
    until      TIMESTAMP_MS NOT NULL
);
COMMENT ON TABLE sorted_volume IS 'How far volumes lie sorted by service, which makes a service''s history quick to read and small.';
COMMENT ON COLUMN sorted_volume.table_name IS 'The table.';
COMMENT ON COLUMN sorted_volume.block_ms IS 'Rows are sorted within blocks of this length, milliseconds.';
COMMENT ON COLUMN sorted_volume.until IS 'Blocks up to here are sorted, UTC.';
