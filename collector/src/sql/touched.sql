-- The buckets of a range to which parts of some services came that are not joined
-- yet. Filled in: `recent`, these parts at a level; `services`, their numbers.
SELECT DISTINCT epoch_ms(bucket)
FROM ({recent})
WHERE bucket >= {from} AND bucket < {to}
    AND service_no IN ({services})
ORDER BY 1;
