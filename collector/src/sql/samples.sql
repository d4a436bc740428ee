-- Stored samples of some services that ended in a range, as start, length and
-- bytes, oldest first.
SELECT service_no, epoch_ms(ended_at) - interval_ms, interval_ms, up_bytes, down_bytes
FROM sample
WHERE ended_at > make_timestamp_ms($1) AND ended_at <= make_timestamp_ms($2)
    AND service_no IN ({services})
ORDER BY service_no, ended_at, seq;
