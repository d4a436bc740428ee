-- Volumes of each service today and this month. Filled in: `source`, a level
-- whose buckets begin where the day and the month do; these and their ends.
SELECT
    service_no,
    least(coalesce(sum(up_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(coalesce(sum(down_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (
    SELECT *, bucket >= {day} AND bucket < {next_day} AS today
    FROM ({source})
    WHERE bucket >= {month} AND bucket < {next_month}
)
GROUP BY service_no;
