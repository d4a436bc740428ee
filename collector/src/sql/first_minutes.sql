-- When in its first hour a service's traffic begins: with the first five minutes,
-- and inside them with the first sample where that one is still kept. Filled in:
-- `service`, its number; `source`, the five minutes; `from` and `to`, the hour.
WITH minutes AS (
    SELECT epoch_ms(min(bucket)) AS first_ms
    FROM ({source})
    WHERE service_no = {service} AND bucket >= {from} AND bucket < {to}
),
samples AS (
    SELECT min(epoch_ms(ended_at) - interval_ms) AS first_ms
    FROM sample
    WHERE service_no = {service}
)
SELECT CASE
    WHEN samples.first_ms BETWEEN minutes.first_ms AND minutes.first_ms + 300000 THEN samples.first_ms
    ELSE minutes.first_ms
END
FROM minutes, samples;
