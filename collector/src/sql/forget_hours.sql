-- Forgets hours before a time, and keeps what each service carried in them.
-- Filled in: `until`, the begin of a day, as days are forgotten with them.
BEGIN;
CREATE OR REPLACE TEMP TABLE forgotten AS
SELECT
    service_no,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT
FROM (
    SELECT service_no, up_bytes, down_bytes FROM forgotten_volume
    UNION ALL
    SELECT service_no, up_bytes, down_bytes FROM day_volume WHERE bucket < {until}
)
GROUP BY service_no;
DELETE FROM forgotten_volume;
INSERT INTO forgotten_volume FROM forgotten;
DELETE FROM hour_volume WHERE bucket < {until};
DELETE FROM day_volume WHERE bucket < {until};
DELETE FROM fleet_hours WHERE bucket < {until};
DELETE FROM interface_volume WHERE bucket < {until};
COMMIT;
