-- The buckets of a range to which parts came that are not joined yet. Filled
-- in: `recent`, these parts at a level.
SELECT DISTINCT epoch_ms(bucket)
FROM ({recent})
WHERE bucket >= {from} AND bucket < {to}
ORDER BY 1;
