-- Volumes of each service: in all, today, this month. Days and months begin on
-- five-minute boundaries in every time zone, so recent days are summed from
-- five-minute buckets and everything older from hours.
WITH month AS (
    SELECT service_no, epoch_ms(bucket) AS start_ms, up_bytes, down_bytes
    FROM (FROM five_minute_volume UNION ALL FROM recent_volume)
    WHERE bucket >= make_timestamp_ms($3) AND bucket < make_timestamp_ms($4)
),
spans AS (
    SELECT
        service_no,
        sum(up_bytes) FILTER (start_ms >= $1 AND start_ms < $2) AS day_up,
        sum(down_bytes) FILTER (start_ms >= $1 AND start_ms < $2) AS day_down,
        sum(up_bytes) AS month_up,
        sum(down_bytes) AS month_down
    FROM month
    GROUP BY service_no
),
totals AS (
    SELECT service_no, sum(up_bytes) AS up, sum(down_bytes) AS down
    FROM (FROM hour_volume UNION ALL FROM recent_volume)
    GROUP BY service_no
)
SELECT
    service_no,
    least(up, 18446744073709551615)::UBIGINT,
    least(down, 18446744073709551615)::UBIGINT,
    least(coalesce(day_up, 0), 18446744073709551615)::UBIGINT,
    least(coalesce(day_down, 0), 18446744073709551615)::UBIGINT,
    least(coalesce(month_up, 0), 18446744073709551615)::UBIGINT,
    least(coalesce(month_down, 0), 18446744073709551615)::UBIGINT
FROM totals
LEFT JOIN spans USING (service_no);
