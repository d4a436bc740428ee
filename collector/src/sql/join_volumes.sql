-- Joins what was taken into one row a bucket of one level. Filled in: `table`,
-- the level; `bucket`, the start of its bucket for a row of `taken`; `first`, the
-- earliest bucket concerned, so that old rows are not even looked at.
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

DELETE FROM {table}
USING replaced
WHERE {table}.bucket >= {first}
    AND {table}.service_no = replaced.service_no
    AND {table}.bucket = replaced.bucket;

INSERT INTO {table}
SELECT service_no, bucket, up_bytes, down_bytes, covered_ms, up_peak, down_peak, samples
FROM joined
ORDER BY bucket, service_no;
