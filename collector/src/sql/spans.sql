-- Volumes of each service today and this month: of the month whole days, and what lies
-- around them. Filled in: `before` and `after`, levels whose buckets begin where the
-- month does, and the day; day and month, and their ends; `first_day` and `last_day`,
-- between which days are whole and none is today.
SELECT
    service_no,
    least(coalesce(sum(up_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(coalesce(sum(down_bytes) FILTER (today), 0), 18446744073709551615)::UBIGINT,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (
    SELECT service_no, up_bytes, down_bytes, false AS today
    FROM day_volume
    WHERE bucket >= {first_day} AND bucket < {last_day}
    UNION ALL
    SELECT service_no, up_bytes, down_bytes, false AS today
    FROM recent_volume
    WHERE bucket >= {first_day} AND bucket < {last_day}
    UNION ALL
    SELECT service_no, up_bytes, down_bytes, false AS today
    FROM ({before})
    WHERE bucket >= {month} AND bucket < {first_day}
    UNION ALL
    SELECT service_no, up_bytes, down_bytes, bucket >= {day} AND bucket < {next_day}
    FROM ({after})
    WHERE bucket >= {last_day} AND bucket < {next_month}
)
GROUP BY service_no;
