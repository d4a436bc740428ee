-- Stored samples of some services that ended in a range, as start, length and
-- bytes, oldest first.
SELECT service_no, epoch_ms(ended_at) - interval_ms, interval_ms, up_bytes, down_bytes
FROM sample
WHERE ended_at > {from} AND ended_at <= {to}
    AND service_no IN ({services})
ORDER BY service_no, ended_at, interval_ms, up_bytes, down_bytes;
