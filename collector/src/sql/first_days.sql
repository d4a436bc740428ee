-- When each service's traffic begins: with a day of UTC, or with five minutes that are
-- not joined yet. Filled in: `which`, a condition or nothing.
SELECT service_no, epoch_ms(min(bucket))
FROM (
    SELECT service_no, bucket FROM day_volume
    UNION ALL
    SELECT service_no, bucket FROM recent_volume
)
{which}
GROUP BY service_no;
