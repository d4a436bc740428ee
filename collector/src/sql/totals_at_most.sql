-- What each service moved at most in a range before its first whole day. Filled in:
-- `from`, the begin of the range; `begin_day`, of the day that it is in; `first_day`,
-- the end of that day.
SELECT service_no, up_bytes, down_bytes FROM day_volume
WHERE bucket >= {begin_day} AND bucket < {first_day}
UNION ALL
SELECT service_no, up_bytes, down_bytes FROM recent_volume
WHERE bucket >= {from} AND bucket < {first_day};
