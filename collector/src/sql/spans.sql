-- Volumes of each service today and this month: of the month whole days, what lies
-- around them, and what is not joined yet. Filled in: `table`, a level whose
-- buckets begin where the day and the month do; `recent`, what is not joined of it;
-- day and month, and their ends; `first_day` and `last_day`, between which days
-- are whole and none is today.
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
    SELECT service_no, up_bytes, down_bytes, bucket >= {day} AND bucket < {next_day}
    FROM {table}
    WHERE bucket >= {month} AND bucket < {first_day}
    UNION ALL
    SELECT service_no, up_bytes, down_bytes, bucket >= {day} AND bucket < {next_day}
    FROM {table}
    WHERE bucket >= {last_day} AND bucket < {next_month}
    UNION ALL
    SELECT service_no, up_bytes, down_bytes, bucket >= {day} AND bucket < {next_day}
    FROM ({recent})
    WHERE bucket >= {month} AND bucket < {next_month}
)
GROUP BY service_no;
