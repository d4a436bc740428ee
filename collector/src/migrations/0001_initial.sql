-- Times are UTC. Volumes are bytes, speeds bytes per second.

CREATE TABLE service (
    service_no                INTEGER NOT NULL,
    id                        VARCHAR NOT NULL,
    name                      VARCHAR NOT NULL,
    "group"                   VARCHAR,
    kind                      VARCHAR NOT NULL DEFAULT 'server',
    url                       VARCHAR NOT NULL DEFAULT '',
    description               VARCHAR,
    icon                      VARCHAR,
    capacity_bytes_per_second UBIGINT,
    created_at                TIMESTAMP_MS NOT NULL
);
COMMENT ON TABLE service IS 'Registered services. A number is never used twice.';
COMMENT ON COLUMN service.capacity_bytes_per_second IS 'Set by a person; beats what agents report. Per direction.';

CREATE SEQUENCE service_no START 1;

CREATE TABLE credential (
    name       VARCHAR NOT NULL,
    role       VARCHAR NOT NULL,
    service_no INTEGER,
    hash       VARCHAR NOT NULL,
    created_at TIMESTAMP_MS NOT NULL,
    expires_at TIMESTAMP_MS
);
COMMENT ON TABLE credential IS 'Hashes of tokens. role agent: publishes for service_no; role reader: reads service_no, or everything where it is null.';
COMMENT ON COLUMN credential.hash IS 'SHA-256 of the token, which has 256 random bits, in hexadecimal digits.';

CREATE TABLE agent (
    agent_no INTEGER NOT NULL,
    identity VARCHAR NOT NULL
);
COMMENT ON TABLE agent IS 'Identities under which agents number their samples.';

CREATE TABLE stored_range (
    agent_no  INTEGER NOT NULL,
    first_seq UBIGINT NOT NULL,
    last_seq  UBIGINT NOT NULL
);
COMMENT ON TABLE stored_range IS 'Which sample numbers of an agent are stored, ends included. Neighbouring ranges are joined now and then.';

CREATE TABLE sample (
    service_no                INTEGER NOT NULL,
    agent_no                  INTEGER,
    seq                       UBIGINT,
    ended_at                  TIMESTAMP_MS NOT NULL,
    interval_ms               UINTEGER NOT NULL,
    up_bytes                  UBIGINT NOT NULL,
    down_bytes                UBIGINT NOT NULL,
    capacity_bytes_per_second UBIGINT,
    cpu_percent               FLOAT,
    memory_percent            FLOAT,
    gap                       BOOLEAN NOT NULL,
    clock_corrected           BOOLEAN NOT NULL
);
COMMENT ON TABLE sample IS 'The last samples of each service, as they came.';
COMMENT ON COLUMN sample.gap IS 'Covers time in which the agent did not run.';
COMMENT ON COLUMN sample.clock_corrected IS 'The agent''s clock was impossible: ended_at is the time of arrival.';

-- A volume row is a sum over one bucket. A bucket may have several rows, which
-- add up: what comes in is appended to recent_volume, and joined from time to
-- time. Read the traffic_by_... views, which add up everything.
CREATE TABLE recent_volume (
    service_no INTEGER NOT NULL,
    bucket     TIMESTAMP_MS NOT NULL,
    up_bytes   UBIGINT NOT NULL,
    down_bytes UBIGINT NOT NULL,
    covered_ms UBIGINT NOT NULL,
    up_peak    UBIGINT NOT NULL,
    down_peak  UBIGINT NOT NULL,
    samples    UINTEGER NOT NULL
);
COMMENT ON TABLE recent_volume IS 'Parts of five-minute buckets that are not joined yet.';

CREATE TABLE five_minute_volume AS FROM recent_volume;
COMMENT ON TABLE five_minute_volume IS 'Joined five-minute buckets.';

CREATE TABLE hour_volume AS FROM recent_volume;
COMMENT ON TABLE hour_volume IS 'Joined buckets of an hour.';

CREATE TABLE interface_volume (
    service_no INTEGER NOT NULL,
    name       VARCHAR NOT NULL,
    role       VARCHAR NOT NULL,
    counted    BOOLEAN NOT NULL,
    bucket     TIMESTAMP_MS NOT NULL,
    up_bytes   UBIGINT NOT NULL,
    down_bytes UBIGINT NOT NULL
);
COMMENT ON TABLE interface_volume IS 'Volumes of each interface by the hour in which the sample ended, summed or not into the service''s.';

CREATE VIEW traffic_by_five_minutes AS
SELECT
    id AS service,
    bucket,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak) AS up_peak_bytes_per_second,
    max(down_peak) AS down_peak_bytes_per_second,
    sum(samples)::UBIGINT AS samples
FROM (FROM five_minute_volume UNION ALL FROM recent_volume)
JOIN service USING (service_no)
GROUP BY ALL;

CREATE VIEW traffic_by_hour AS
SELECT
    id AS service,
    bucket,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak) AS up_peak_bytes_per_second,
    max(down_peak) AS down_peak_bytes_per_second,
    sum(samples)::UBIGINT AS samples
FROM (
    FROM hour_volume
    UNION ALL
    SELECT * REPLACE (date_trunc('hour', bucket)::TIMESTAMP_MS AS bucket) FROM recent_volume
)
JOIN service USING (service_no)
GROUP BY ALL;

CREATE VIEW traffic_by_day AS
SELECT
    service,
    bucket::DATE AS day_utc,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak_bytes_per_second) AS up_peak_bytes_per_second,
    max(down_peak_bytes_per_second) AS down_peak_bytes_per_second,
    sum(samples)::UBIGINT AS samples
FROM traffic_by_hour
GROUP BY ALL;
COMMENT ON VIEW traffic_by_day IS 'Days in UTC; the site cuts days in its own time zone.';
