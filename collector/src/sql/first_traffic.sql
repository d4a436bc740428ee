-- When a service's traffic begins: with its first hour where only hours are
-- kept of that time, else with its first five minutes, and inside them with
-- the first sample where that one is still kept.
WITH hours AS (
    SELECT epoch_ms(min(bucket)) AS first_ms FROM hour_volume WHERE service_no = $1
),
minutes AS (
    SELECT epoch_ms(min(bucket)) AS first_ms
    FROM (FROM five_minute_volume UNION ALL FROM recent_volume)
    WHERE service_no = $1
),
samples AS (
    SELECT min(epoch_ms(ended_at) - interval_ms) AS first_ms FROM sample WHERE service_no = $1
)
SELECT CASE
    WHEN hours.first_ms // 3600000 < minutes.first_ms // 3600000 THEN hours.first_ms
    WHEN samples.first_ms BETWEEN minutes.first_ms AND minutes.first_ms + 300000 THEN samples.first_ms
    ELSE coalesce(minutes.first_ms, hours.first_ms)
END
FROM hours, minutes, samples;
