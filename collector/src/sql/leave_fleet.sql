-- Takes the rows of some services out of the fleet's sums of a level.
-- Filled in: `table` and `fleet`, the level; `services`, which ones.
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
        -1 AS services,
        -up_bytes::HUGEINT AS up_bytes,
        -down_bytes::HUGEINT AS down_bytes,
        -covered_ms::HUGEINT AS covered_ms,
        -(up_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)) AS up_mean,
        -(down_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)) AS down_mean
    FROM {table}
    WHERE {services}
    UNION ALL
    SELECT {fleet}.*
    FROM {fleet}
    SEMI JOIN (SELECT bucket FROM {table} WHERE {services}) USING (bucket)
)
GROUP BY bucket;

DELETE FROM {fleet} USING fleet_change WHERE {fleet}.bucket = fleet_change.bucket;

INSERT INTO {fleet} FROM fleet_change WHERE services > 0 ORDER BY bucket;
