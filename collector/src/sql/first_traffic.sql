-- When on its first day a service's traffic begins: with the first bucket, and inside
-- its first five minutes with the first sample where that one is still kept. Filled
-- in: `service`, its number; `source`, a level; `from` and `to`, the day.
WITH buckets AS (
    SELECT epoch_ms(min(bucket)) AS first_ms
    FROM ({source})
    WHERE service_no = {service} AND bucket >= {from} AND bucket < {to}
),
samples AS (
    -- Of samples that were measured soon after: of others no block is read.
    SELECT min(epoch_ms(ended_at) - interval_ms) AS first_ms
    FROM sample
    WHERE service_no = {service} AND ended_at < ({to} + INTERVAL 1 DAY)::TIMESTAMP_MS
)
SELECT CASE
    WHEN samples.first_ms BETWEEN buckets.first_ms AND buckets.first_ms + 300000 THEN samples.first_ms
    ELSE buckets.first_ms
END
FROM buckets, samples;
