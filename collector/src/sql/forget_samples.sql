-- Keeps the last $2 samples of each service that has more than $1.
DELETE FROM sample
WHERE rowid IN (
    SELECT rowid
    FROM sample
    WHERE service_no IN (SELECT service_no FROM sample GROUP BY service_no HAVING count(*) > $1)
    QUALIFY row_number() OVER (PARTITION BY service_no ORDER BY ended_at DESC, seq DESC) > $2
);
