-- Buckets of some services in a range; one of which parts came since has
-- several rows. Filled in: `source`, a level; `services`, their numbers.
SELECT
    service_no,
    bucket,
    up_bytes,
    down_bytes,
    covered_ms,
    up_peak,
    down_peak
FROM ({source})
WHERE bucket >= {from} AND bucket < {to}
    AND service_no IN ({services});
