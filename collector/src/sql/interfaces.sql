-- What each interface of a service carried in a range; counted ones first.
-- Filled in: `service`, its number.
SELECT
    name,
    arg_max(role, bucket),
    arg_max(counted, bucket) AS is_counted,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM interface_volume
WHERE service_no = {service} AND bucket >= {from} AND bucket < {to}
GROUP BY name
ORDER BY is_counted DESC, sum(up_bytes) + sum(down_bytes) DESC, name;
