ALTER TABLE agent ADD COLUMN service_no INTEGER;
COMMENT ON COLUMN agent.service_no IS 'The service as which it reports; null: stored by a version that did not tell services apart.';

CREATE TABLE forgotten_five_minutes (
    until TIMESTAMP_MS NOT NULL
);
COMMENT ON TABLE forgotten_five_minutes IS 'One row: up to when volumes of five minutes are no longer kept, of which hours tell.';
COMMENT ON COLUMN forgotten_five_minutes.until IS 'The first moment of which they may be there.';

-- What earlier versions forgot shows in hours that have no five minutes.
INSERT INTO forgotten_five_minutes
SELECT coalesce(first_five, last_hour + INTERVAL 1 HOUR)::TIMESTAMP_MS
FROM
    (SELECT min(bucket) AS first_five FROM five_minute_volume),
    (SELECT min(bucket) AS first_hour, max(bucket) AS last_hour FROM hour_volume)
WHERE first_hour < date_trunc('hour', coalesce(first_five, last_hour + INTERVAL 1 HOUR));
