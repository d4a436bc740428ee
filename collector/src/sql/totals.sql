-- What each service moved for certain in a range of whole hours, in as many rows as it
-- is in: whole days of it, the hours after these, and what is not joined yet. Filled in:
-- `to`, the end of the range; `first_day` and `last_day`, between which days are whole.
SELECT service_no, up_bytes, down_bytes FROM day_volume
WHERE bucket >= {first_day} AND bucket < {last_day}
UNION ALL
SELECT service_no, up_bytes, down_bytes FROM hour_volume
WHERE bucket >= {last_day} AND bucket < {to}
UNION ALL
SELECT service_no, up_bytes, down_bytes FROM recent_volume
WHERE bucket >= {first_day} AND bucket < {to};
