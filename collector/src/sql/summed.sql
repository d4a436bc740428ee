-- Buckets of some services together in a range. Filled in: `source`, a level;
-- `services`, their numbers.
WITH joined AS (
    SELECT
        bucket,
        sum(up_bytes) AS up,
        sum(down_bytes) AS down,
        sum(covered_ms) AS covered_ms,
        sum(up_bytes) * 1000 // greatest(sum(covered_ms), 1) AS up_mean,
        sum(down_bytes) * 1000 // greatest(sum(covered_ms), 1) AS down_mean
    FROM ({source})
    WHERE bucket >= {from} AND bucket < {to}
        AND service_no IN ({services})
    GROUP BY service_no, bucket
)
SELECT
    0::INTEGER,
    bucket,
    least(sum(up), 18446744073709551615)::UBIGINT,
    least(sum(down), 18446744073709551615)::UBIGINT,
    sum(covered_ms)::UBIGINT,
    least(sum(up_mean), 18446744073709551615)::UBIGINT,
    least(sum(down_mean), 18446744073709551615)::UBIGINT
FROM joined
GROUP BY bucket;
