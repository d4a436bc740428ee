-- Buckets of some services in a range. Filled in: `source`, a level of roll-up;
-- `services`, their numbers; `grouped`, which is `joined` (a row a service and
-- bucket) or `summed` (a row a bucket).
WITH joined AS (
    SELECT
        service_no,
        bucket,
        sum(up_bytes) AS up,
        sum(down_bytes) AS down,
        sum(covered_ms) AS covered_ms,
        max(up_peak) AS up_peak,
        max(down_peak) AS down_peak,
        sum(up_bytes) * 1000 // greatest(sum(covered_ms), 1) AS up_mean,
        sum(down_bytes) * 1000 // greatest(sum(covered_ms), 1) AS down_mean
    FROM ({source})
    WHERE bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2)
        AND service_no IN ({services})
    GROUP BY service_no, bucket
),
summed AS (
    SELECT
        0 AS service_no,
        bucket,
        sum(up) AS up,
        sum(down) AS down,
        sum(covered_ms) AS covered_ms,
        sum(up_mean) AS up_peak,
        sum(down_mean) AS down_peak,
        sum(up_mean) AS up_mean,
        sum(down_mean) AS down_mean
    FROM joined
    GROUP BY bucket
)
SELECT
    service_no,
    epoch_ms(bucket),
    least(up, 18446744073709551615)::UBIGINT,
    least(down, 18446744073709551615)::UBIGINT,
    covered_ms::UBIGINT,
    least(up_peak, 18446744073709551615)::UBIGINT,
    least(down_peak, 18446744073709551615)::UBIGINT,
    least(up_mean, 18446744073709551615)::UBIGINT,
    least(down_mean, 18446744073709551615)::UBIGINT
FROM {grouped}
ORDER BY service_no, bucket;
