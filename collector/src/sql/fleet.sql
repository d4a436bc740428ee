-- Buckets of all services together in a range. Filled in: `fleet`, the sums of
-- what is joined; `source`, the level with recent parts; `recent`, these parts
-- alone. A bucket with recent parts is summed anew from the services' rows.
WITH touched AS (
    SELECT DISTINCT bucket
    FROM ({recent})
    WHERE bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2)
),
joined AS (
    SELECT
        bucket,
        sum(up_bytes) AS up,
        sum(down_bytes) AS down,
        sum(covered_ms) AS covered_ms,
        sum(up_bytes) * 1000 // greatest(sum(covered_ms), 1) AS up_mean,
        sum(down_bytes) * 1000 // greatest(sum(covered_ms), 1) AS down_mean
    FROM ({source})
    WHERE bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2)
        AND bucket IN (FROM touched)
        AND service_no IN (SELECT service_no FROM service)
    GROUP BY service_no, bucket
),
summed AS (
    SELECT
        bucket,
        sum(up) AS up,
        sum(down) AS down,
        sum(covered_ms) AS covered_ms,
        sum(up_mean) AS up_mean,
        sum(down_mean) AS down_mean
    FROM joined
    GROUP BY bucket
    UNION ALL
    SELECT bucket, up_bytes, down_bytes, covered_ms, up_mean, down_mean
    FROM {fleet}
    WHERE bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2)
        AND bucket NOT IN (FROM touched)
)
SELECT
    0::INTEGER,
    epoch_ms(bucket),
    least(up, 18446744073709551615)::UBIGINT,
    least(down, 18446744073709551615)::UBIGINT,
    covered_ms::UBIGINT,
    least(up_mean, 18446744073709551615)::UBIGINT,
    least(down_mean, 18446744073709551615)::UBIGINT,
    least(up_mean, 18446744073709551615)::UBIGINT,
    least(down_mean, 18446744073709551615)::UBIGINT
FROM summed
ORDER BY bucket;
