-- Forgets volumes of five minutes, and notes up to when. Filled in: `until`.
BEGIN;
DELETE FROM five_minute_volume WHERE bucket < {until};
DELETE FROM fleet_five_minutes WHERE bucket < {until};
INSERT INTO forgotten_five_minutes SELECT {until};
DELETE FROM forgotten_five_minutes
WHERE until < (SELECT max(until) FROM forgotten_five_minutes);
COMMIT;
