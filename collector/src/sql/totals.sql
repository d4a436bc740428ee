-- Services by their bytes in a range, most first.
SELECT
    service_no,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM ({source})
WHERE bucket >= {from} AND bucket < {to}
GROUP BY service_no
ORDER BY sum(up_bytes) + sum(down_bytes) DESC, service_no
LIMIT $1;
