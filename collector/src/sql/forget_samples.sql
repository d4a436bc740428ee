-- Keeps the last $2 samples up to $3 of each service that has more than $1: what came
-- while the clock was ahead goes first.
DELETE FROM sample
WHERE rowid IN (
    SELECT rowid
    FROM sample
    WHERE service_no IN (SELECT service_no FROM sample GROUP BY service_no HAVING count(*) > $1)
    QUALIFY row_number() OVER (
        PARTITION BY service_no
        ORDER BY
            ended_at <= make_timestamp_ms($3) DESC,
            ended_at DESC, interval_ms DESC, up_bytes DESC, down_bytes DESC
    ) > $2
);
