-- Joins the parts of recent buckets into one row a bucket, in one transaction:
-- whoever reads meanwhile sees all of it or nothing. `first_five` and
-- `first_hour` are the earliest buckets concerned, so that old rows are not
-- even looked at.
BEGIN;

CREATE OR REPLACE TEMP TABLE taken AS FROM recent_volume;

CREATE OR REPLACE TEMP TABLE joined AS
SELECT
    service_no,
    bucket,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT AS up_bytes,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak) AS up_peak,
    max(down_peak) AS down_peak,
    sum(samples)::UINTEGER AS samples
FROM (
    FROM taken
    UNION ALL
    SELECT old.*
    FROM five_minute_volume AS old
    SEMI JOIN taken ON old.service_no = taken.service_no AND old.bucket = taken.bucket
    WHERE old.bucket >= make_timestamp_ms({first_five})
)
GROUP BY service_no, bucket;

DELETE FROM five_minute_volume
USING joined
WHERE five_minute_volume.bucket >= make_timestamp_ms({first_five})
    AND five_minute_volume.service_no = joined.service_no
    AND five_minute_volume.bucket = joined.bucket;

INSERT INTO five_minute_volume
SELECT service_no, bucket, up_bytes, down_bytes, covered_ms, up_peak, down_peak, samples
FROM joined ORDER BY bucket, service_no;

CREATE OR REPLACE TEMP TABLE taken_hour AS
SELECT * REPLACE (date_trunc('hour', bucket)::TIMESTAMP_MS AS bucket) FROM taken;

CREATE OR REPLACE TEMP TABLE joined AS
SELECT
    service_no,
    bucket,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT AS up_bytes,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak) AS up_peak,
    max(down_peak) AS down_peak,
    sum(samples)::UINTEGER AS samples
FROM (
    FROM taken_hour
    UNION ALL
    SELECT old.*
    FROM hour_volume AS old
    SEMI JOIN taken_hour ON old.service_no = taken_hour.service_no AND old.bucket = taken_hour.bucket
    WHERE old.bucket >= make_timestamp_ms({first_hour})
)
GROUP BY service_no, bucket;

DELETE FROM hour_volume
USING joined
WHERE hour_volume.bucket >= make_timestamp_ms({first_hour})
    AND hour_volume.service_no = joined.service_no
    AND hour_volume.bucket = joined.bucket;

INSERT INTO hour_volume
SELECT service_no, bucket, up_bytes, down_bytes, covered_ms, up_peak, down_peak, samples
FROM joined ORDER BY bucket, service_no;

-- Only what this transaction sees: parts that arrived meanwhile stay.
DELETE FROM recent_volume;

COMMIT;
