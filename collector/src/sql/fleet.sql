-- What is joined of all services together in a range. Filled in: `fleet`, the
-- table of these sums.
SELECT
    0::INTEGER,
    bucket,
    least(up_bytes, 18446744073709551615)::UBIGINT,
    least(down_bytes, 18446744073709551615)::UBIGINT,
    covered_ms::UBIGINT,
    least(up_mean, 18446744073709551615)::UBIGINT,
    least(down_mean, 18446744073709551615)::UBIGINT
FROM {fleet}
WHERE bucket >= {from} AND bucket < {to};
