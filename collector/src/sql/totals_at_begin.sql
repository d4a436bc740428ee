-- What each service moved in a range of whole hours before its first whole day. Long
-- ago hours lie sorted by service, so that all of these are read for a few hours of each.
-- Filled in: `from`, the begin of the range; `first_day`, its first whole day.
SELECT service_no, up_bytes, down_bytes FROM hour_volume
WHERE bucket >= {from} AND bucket < {first_day}
UNION ALL
SELECT service_no, up_bytes, down_bytes FROM recent_volume
WHERE bucket >= {from} AND bucket < {first_day};
