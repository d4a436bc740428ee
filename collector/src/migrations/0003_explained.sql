-- For whoever opens the database in a shell: every table and column says what
-- it holds, and the views answer with names instead of numbers.

COMMENT ON TABLE komandorr_schema IS 'Migrations that have run.';
COMMENT ON COLUMN komandorr_schema.version IS 'Number of the migration; the highest is the version of the schema.';
COMMENT ON COLUMN komandorr_schema.applied_at IS 'When it ran, UTC.';

COMMENT ON COLUMN service.service_no IS 'Stands for the service in all other tables.';
COMMENT ON COLUMN service.id IS 'What agents and the API call it.';
COMMENT ON COLUMN service.name IS 'What people call it.';
COMMENT ON COLUMN service."group" IS 'The group it is shown in.';
COMMENT ON COLUMN service.kind IS 'app, website, panel, project or server.';
COMMENT ON COLUMN service.url IS 'Its address for people; may be empty.';
COMMENT ON COLUMN service.description IS 'A line about it.';
COMMENT ON COLUMN service.icon IS 'Name of its picture.';
COMMENT ON COLUMN service.created_at IS 'When it was registered, UTC.';

COMMENT ON COLUMN credential.name IS 'Of an agent the id of its service, of a reader its own name.';
COMMENT ON COLUMN credential.role IS 'agent, reader, api-read or api-manage.';
COMMENT ON COLUMN credential.service_no IS 'The service it is good for; null: all.';
COMMENT ON COLUMN credential.created_at IS 'When it was made, UTC.';
COMMENT ON COLUMN credential.expires_at IS 'When it ends, UTC; null: it does not.';

COMMENT ON COLUMN account.name IS 'Under which one logs in.';
COMMENT ON COLUMN account.changed_at IS 'When the password was set, UTC.';

COMMENT ON COLUMN session.account IS 'Who is logged in.';
COMMENT ON COLUMN session.created_at IS 'When it was begun, UTC.';

COMMENT ON COLUMN agent.agent_no IS 'Stands for the agent in other tables.';
COMMENT ON COLUMN agent.identity IS 'What the agent calls its state on disk; a new state is a new agent.';

COMMENT ON COLUMN stored_range.agent_no IS 'The agent.';
COMMENT ON COLUMN stored_range.first_seq IS 'First number of the range.';
COMMENT ON COLUMN stored_range.last_seq IS 'Last number of the range, itself included.';

COMMENT ON COLUMN sample.service_no IS 'The service.';
COMMENT ON COLUMN sample.agent_no IS 'The agent that measured; null: it did not say.';
COMMENT ON COLUMN sample.seq IS 'The agent''s number for the sample; null: it has none.';
COMMENT ON COLUMN sample.ended_at IS 'End of the interval, UTC.';
COMMENT ON COLUMN sample.interval_ms IS 'Length of the interval, milliseconds.';
COMMENT ON COLUMN sample.up_bytes IS 'Bytes sent in the interval.';
COMMENT ON COLUMN sample.down_bytes IS 'Bytes received in the interval.';
COMMENT ON COLUMN sample.capacity_bytes_per_second IS 'What the agent says the link can carry, per direction.';
COMMENT ON COLUMN sample.cpu_percent IS 'Processor load of the whole host.';
COMMENT ON COLUMN sample.memory_percent IS 'Memory in use of the whole host.';

COMMENT ON COLUMN recent_volume.service_no IS 'The service.';
COMMENT ON COLUMN recent_volume.bucket IS 'Begin of the five minutes, UTC.';
COMMENT ON COLUMN recent_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN recent_volume.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN recent_volume.covered_ms IS 'How much of the bucket samples cover, milliseconds.';
COMMENT ON COLUMN recent_volume.up_peak IS 'Highest speed of a sample that sent, bytes per second.';
COMMENT ON COLUMN recent_volume.down_peak IS 'Highest speed of a sample that received, bytes per second.';
COMMENT ON COLUMN recent_volume.samples IS 'How many samples ended in the bucket.';

COMMENT ON COLUMN five_minute_volume.service_no IS 'The service.';
COMMENT ON COLUMN five_minute_volume.bucket IS 'Begin of the five minutes, UTC.';
COMMENT ON COLUMN five_minute_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN five_minute_volume.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN five_minute_volume.covered_ms IS 'How much of the bucket samples cover, milliseconds.';
COMMENT ON COLUMN five_minute_volume.up_peak IS 'Highest speed of a sample that sent, bytes per second.';
COMMENT ON COLUMN five_minute_volume.down_peak IS 'Highest speed of a sample that received, bytes per second.';
COMMENT ON COLUMN five_minute_volume.samples IS 'How many samples ended in the bucket.';

COMMENT ON COLUMN hour_volume.service_no IS 'The service.';
COMMENT ON COLUMN hour_volume.bucket IS 'Begin of the hour, UTC.';
COMMENT ON COLUMN hour_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN hour_volume.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN hour_volume.covered_ms IS 'How much of the bucket samples cover, milliseconds.';
COMMENT ON COLUMN hour_volume.up_peak IS 'Highest speed of a sample that sent, bytes per second.';
COMMENT ON COLUMN hour_volume.down_peak IS 'Highest speed of a sample that received, bytes per second.';
COMMENT ON COLUMN hour_volume.samples IS 'How many samples ended in the bucket.';

COMMENT ON COLUMN interface_volume.service_no IS 'The service.';
COMMENT ON COLUMN interface_volume.name IS 'The system''s name of the interface.';
COMMENT ON COLUMN interface_volume.role IS 'What the agent takes it for.';
COMMENT ON COLUMN interface_volume.counted IS 'Whether it is part of the service''s sums.';
COMMENT ON COLUMN interface_volume.bucket IS 'Begin of the hour, UTC. An hour may have several rows, which add up.';
COMMENT ON COLUMN interface_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN interface_volume.down_bytes IS 'Bytes received.';

COMMENT ON VIEW traffic_by_five_minutes IS 'Volumes of each service by five minutes.';
COMMENT ON VIEW traffic_by_hour IS 'Volumes of each service by the hour.';

CREATE VIEW traffic_by_week AS
SELECT
    service,
    date_trunc('week', day_utc)::DATE AS monday_utc,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak_bytes_per_second) AS up_peak_bytes_per_second,
    max(down_peak_bytes_per_second) AS down_peak_bytes_per_second,
    sum(samples)::UBIGINT AS samples
FROM traffic_by_day
GROUP BY ALL;
COMMENT ON VIEW traffic_by_week IS 'ISO weeks in UTC; the site cuts weeks in its own time zone.';

CREATE VIEW traffic_by_month AS
SELECT
    service,
    date_trunc('month', day_utc)::DATE AS month_utc,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes,
    sum(covered_ms)::UBIGINT AS covered_ms,
    max(up_peak_bytes_per_second) AS up_peak_bytes_per_second,
    max(down_peak_bytes_per_second) AS down_peak_bytes_per_second,
    sum(samples)::UBIGINT AS samples
FROM traffic_by_day
GROUP BY ALL;
COMMENT ON VIEW traffic_by_month IS 'Months in UTC; the site cuts months in its own time zone.';

CREATE VIEW traffic_by_interface AS
SELECT
    id AS service,
    interface_volume.name AS interface,
    arg_max(role, bucket) AS role,
    arg_max(counted, bucket) AS counted,
    bucket,
    sum(up_bytes)::UBIGINT AS up_bytes,
    sum(down_bytes)::UBIGINT AS down_bytes
FROM interface_volume
JOIN service USING (service_no)
GROUP BY id, interface_volume.name, bucket;
COMMENT ON VIEW traffic_by_interface IS 'Volumes of each interface by the hour, counted into its service''s or not.';

CREATE VIEW latest_samples AS
SELECT
    service.id AS service,
    ended_at,
    interval_ms,
    up_bytes,
    down_bytes,
    (up_bytes::HUGEINT * 1000 // interval_ms)::UBIGINT AS up_bytes_per_second,
    (down_bytes::HUGEINT * 1000 // interval_ms)::UBIGINT AS down_bytes_per_second,
    sample.capacity_bytes_per_second,
    cpu_percent,
    memory_percent,
    gap,
    clock_corrected,
    identity AS agent,
    seq
FROM sample
JOIN service USING (service_no)
LEFT JOIN agent USING (agent_no);
COMMENT ON VIEW latest_samples IS 'The last samples of each service, with names and speeds.';

COMMENT ON COLUMN traffic_by_five_minutes.bucket IS 'Begin of the five minutes, UTC.';
COMMENT ON COLUMN traffic_by_hour.bucket IS 'Begin of the hour, UTC.';
COMMENT ON COLUMN traffic_by_interface.bucket IS 'Begin of the hour, UTC.';
COMMENT ON COLUMN traffic_by_day.day_utc IS 'The day.';
COMMENT ON COLUMN traffic_by_week.monday_utc IS 'The Monday on which the week begins.';
COMMENT ON COLUMN traffic_by_month.month_utc IS 'The first day of the month.';
COMMENT ON COLUMN traffic_by_interface.interface IS 'The system''s name of the interface.';
COMMENT ON COLUMN traffic_by_interface.role IS 'What the agent takes it for.';
COMMENT ON COLUMN traffic_by_interface.counted IS 'Whether it is part of the service''s sums.';
COMMENT ON COLUMN latest_samples.ended_at IS 'End of the interval, UTC.';
COMMENT ON COLUMN latest_samples.interval_ms IS 'Length of the interval, milliseconds.';
COMMENT ON COLUMN latest_samples.up_bytes_per_second IS 'Mean speed of sending.';
COMMENT ON COLUMN latest_samples.down_bytes_per_second IS 'Mean speed of receiving.';
COMMENT ON COLUMN latest_samples.capacity_bytes_per_second IS 'What the agent says the link can carry, per direction.';
COMMENT ON COLUMN latest_samples.cpu_percent IS 'Processor load of the whole host.';
COMMENT ON COLUMN latest_samples.memory_percent IS 'Memory in use of the whole host.';
COMMENT ON COLUMN latest_samples.gap IS 'Covers time in which the agent did not run.';
COMMENT ON COLUMN latest_samples.clock_corrected IS 'The agent''s clock was impossible: ended_at is the time of arrival.';
COMMENT ON COLUMN latest_samples.agent IS 'What the agent calls its state on disk.';
COMMENT ON COLUMN latest_samples.seq IS 'The agent''s number for the sample.';

COMMENT ON COLUMN traffic_by_five_minutes.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_five_minutes.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_five_minutes.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN traffic_by_five_minutes.covered_ms IS 'How much of the time samples cover, milliseconds.';
COMMENT ON COLUMN traffic_by_five_minutes.up_peak_bytes_per_second IS 'Highest speed of a sample that sent.';
COMMENT ON COLUMN traffic_by_five_minutes.down_peak_bytes_per_second IS 'Highest speed of a sample that received.';
COMMENT ON COLUMN traffic_by_five_minutes.samples IS 'How many samples ended in the time.';

COMMENT ON COLUMN traffic_by_hour.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_hour.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_hour.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN traffic_by_hour.covered_ms IS 'How much of the time samples cover, milliseconds.';
COMMENT ON COLUMN traffic_by_hour.up_peak_bytes_per_second IS 'Highest speed of a sample that sent.';
COMMENT ON COLUMN traffic_by_hour.down_peak_bytes_per_second IS 'Highest speed of a sample that received.';
COMMENT ON COLUMN traffic_by_hour.samples IS 'How many samples ended in the time.';

COMMENT ON COLUMN traffic_by_day.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_day.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_day.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN traffic_by_day.covered_ms IS 'How much of the time samples cover, milliseconds.';
COMMENT ON COLUMN traffic_by_day.up_peak_bytes_per_second IS 'Highest speed of a sample that sent.';
COMMENT ON COLUMN traffic_by_day.down_peak_bytes_per_second IS 'Highest speed of a sample that received.';
COMMENT ON COLUMN traffic_by_day.samples IS 'How many samples ended in the time.';

COMMENT ON COLUMN traffic_by_week.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_week.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_week.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN traffic_by_week.covered_ms IS 'How much of the time samples cover, milliseconds.';
COMMENT ON COLUMN traffic_by_week.up_peak_bytes_per_second IS 'Highest speed of a sample that sent.';
COMMENT ON COLUMN traffic_by_week.down_peak_bytes_per_second IS 'Highest speed of a sample that received.';
COMMENT ON COLUMN traffic_by_week.samples IS 'How many samples ended in the time.';

COMMENT ON COLUMN traffic_by_month.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_month.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_month.down_bytes IS 'Bytes received.';
COMMENT ON COLUMN traffic_by_month.covered_ms IS 'How much of the time samples cover, milliseconds.';
COMMENT ON COLUMN traffic_by_month.up_peak_bytes_per_second IS 'Highest speed of a sample that sent.';
COMMENT ON COLUMN traffic_by_month.down_peak_bytes_per_second IS 'Highest speed of a sample that received.';
COMMENT ON COLUMN traffic_by_month.samples IS 'How many samples ended in the time.';

COMMENT ON COLUMN traffic_by_interface.service IS 'Id of the service.';
COMMENT ON COLUMN traffic_by_interface.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN traffic_by_interface.down_bytes IS 'Bytes received.';

COMMENT ON COLUMN latest_samples.service IS 'Id of the service.';
COMMENT ON COLUMN latest_samples.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN latest_samples.down_bytes IS 'Bytes received.';
