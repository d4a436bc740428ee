-- Volumes of each service today ($1 to $2) and this month ($3 to $4). Filled
-- in: `source`, a level whose buckets begin where the day and the month do.
SELECT
    service_no,
    least(coalesce(sum(up_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(coalesce(sum(down_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (
    SELECT *, bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2) AS today
    FROM ({source})
    WHERE bucket >= make_timestamp_ms($3) AND bucket < make_timestamp_ms($4)
)
GROUP BY service_no;
