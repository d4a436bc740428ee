-- From when a service reports by itself, so that history of a later time is not
-- imported: until now that was guessed from the samples that are still there.
CREATE TABLE own_traffic (
    service_no INTEGER NOT NULL,
    since      TIMESTAMP_MS NOT NULL
);

COMMENT ON TABLE own_traffic IS 'From when services report by themselves: an import of later history would count twice. Of several rows of a service the earliest counts.';
COMMENT ON COLUMN own_traffic.service_no IS 'The service.';
COMMENT ON COLUMN own_traffic.since IS 'Begin of the first sample that is no import, UTC. Of services from before there was this table: when it was registered, or the begin of an earlier sample that was still there.';

-- As earlier versions guessed it: earlier samples may be forgotten, so whoever has
-- reported counts from when it was registered.
INSERT INTO own_traffic
WITH reported AS (
    SELECT
        sample.service_no,
        min(epoch_ms(sample.ended_at) - sample.interval_ms::BIGINT) AS begin_ms
    FROM sample
    LEFT JOIN agent USING (agent_no)
    WHERE NOT starts_with(coalesce(agent.identity, ''), 'import:')
    GROUP BY sample.service_no
    UNION ALL
    SELECT DISTINCT service_no, NULL::BIGINT
    FROM agent
    WHERE NOT starts_with(identity, 'import:')
)
SELECT
    service.service_no,
    make_timestamp_ms(min(least(epoch_ms(service.created_at), reported.begin_ms)))::TIMESTAMP_MS
FROM reported
INNER JOIN service ON service.service_no = reported.service_no
GROUP BY service.service_no
ORDER BY service.service_no;
