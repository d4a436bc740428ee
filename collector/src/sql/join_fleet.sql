-- Takes what was joined into the fleet's sums of a level: a sum of means changes
-- by the difference of the means. Filled in: `fleet`, the sums; `first`, the
-- earliest bucket concerned.
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

DELETE FROM {fleet}
USING fleet_change
WHERE {fleet}.bucket >= {first} AND {fleet}.bucket = fleet_change.bucket;

INSERT INTO {fleet} FROM fleet_change ORDER BY bucket;
