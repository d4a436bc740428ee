-- Volumes of each service since it was registered.
SELECT
    service_no,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (FROM hour_volume UNION ALL FROM recent_volume)
GROUP BY service_no;
