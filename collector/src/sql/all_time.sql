-- Volumes of each service since it was registered, with what an import's source
-- had counted before its first sample.
SELECT
    service_no,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (
    SELECT service_no, up_bytes, down_bytes FROM day_volume
    UNION ALL
    SELECT service_no, up_bytes, down_bytes FROM recent_volume
    UNION ALL
    SELECT service_no, up_bytes, down_bytes FROM forgotten_volume
    UNION ALL
    SELECT
        service_no,
        greatest(coalesce(up_total, 0), up_bytes) - up_bytes,
        greatest(coalesce(down_total, 0), down_bytes) - down_bytes
    FROM import_mark
    WHERE seq = 1
)
GROUP BY service_no;
