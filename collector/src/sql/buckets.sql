-- Buckets of some services in a range; one of which parts came since has
-- several rows. Filled in: `source`, a level; `services`, their numbers.
SELECT
    service_no,
    epoch_ms(bucket),
    up_bytes,
    down_bytes,
    covered_ms,
    up_peak,
    down_peak
FROM ({source})
WHERE bucket >= make_timestamp_ms($1) AND bucket < make_timestamp_ms($2)
    AND service_no IN ({services});
