-- Joins what was taken into one row a bucket of one level, and the fleet's sums
-- with it. Filled in: `table` and `fleet`, the level; `bucket`, the start of its
-- bucket for a row of `taken`; `first`, the earliest bucket concerned, so that
-- old rows are not even looked at.
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT * REPLACE ({bucket} AS bucket) FROM taken;

CREATE OR REPLACE TEMP TABLE replaced AS
SELECT old.*
FROM {table} AS old
SEMI JOIN fresh ON old.service_no = fresh.service_no AND old.bucket = fresh.bucket
WHERE old.bucket >= {first};

CREATE OR REPLACE TEMP TABLE joined AS
SELECT
    service_no,
    bucket,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT AS up_bytes,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak) AS up_peak,
    max(down_peak) AS down_peak,
    least(sum(samples), 4294967295)::UINTEGER AS samples
FROM (FROM fresh UNION ALL FROM replaced)
GROUP BY service_no, bucket;

-- A sum of means changes by the difference of the means.
CREATE OR REPLACE TEMP TABLE fleet_change AS
SELECT
    bucket,
    sum(services)::INTEGER AS services,
    sum(up_bytes) AS up_bytes,
    sum(down_bytes) AS down_bytes,
    sum(covered_ms) AS covered_ms,
    sum(up_mean) AS up_mean,
    sum(down_mean) AS down_mean
FROM (
    SELECT
        bucket,
        sign AS services,
        sign * up_bytes AS up_bytes,
        sign * down_bytes AS down_bytes,
        sign * covered_ms AS covered_ms,
        sign * (up_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)) AS up_mean,
        sign * (down_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)) AS down_mean
    FROM (
        SELECT *, 1::HUGEINT AS sign FROM joined
        UNION ALL
        SELECT *, -1::HUGEINT AS sign FROM replaced
    )
    UNION ALL
    SELECT {fleet}.*
    FROM {fleet}
    SEMI JOIN joined USING (bucket)
    WHERE bucket >= {first}
)
GROUP BY bucket;

DELETE FROM {table}
USING replaced
WHERE {table}.bucket >= {first}
    AND {table}.service_no = replaced.service_no
    AND {table}.bucket = replaced.bucket;

INSERT INTO {table}
SELECT service_no, bucket, up_bytes, down_bytes, covered_ms, up_peak, down_peak, samples
FROM joined
ORDER BY bucket, service_no;

DELETE FROM {fleet}
USING fleet_change
WHERE {fleet}.bucket >= {first} AND {fleet}.bucket = fleet_change.bucket;

INSERT INTO {fleet} FROM fleet_change ORDER BY bucket;
