ALTER TABLE sample ADD COLUMN up_total UBIGINT;
ALTER TABLE sample ADD COLUMN down_total UBIGINT;
COMMENT ON COLUMN sample.up_total IS 'Bytes sent since its agent''s state began.';
COMMENT ON COLUMN sample.down_total IS 'Bytes received since its agent''s state began.';

CREATE TABLE import_mark (
    agent_no   INTEGER NOT NULL,
    service_no INTEGER NOT NULL,
    seq        UBIGINT NOT NULL,
    ended_at   TIMESTAMP_MS NOT NULL,
    up_bytes   UBIGINT NOT NULL,
    down_bytes UBIGINT NOT NULL,
    up_total   UBIGINT,
    down_total UBIGINT
);
COMMENT ON TABLE import_mark IS 'How far each import has come: its first sample and its last ones. What the totals of the first hold beyond its own bytes was counted before it, at times that nobody knows.';
COMMENT ON COLUMN import_mark.agent_no IS 'The identity of the import.';
COMMENT ON COLUMN import_mark.service_no IS 'The service.';
COMMENT ON COLUMN import_mark.seq IS 'Number of the sample.';
COMMENT ON COLUMN import_mark.ended_at IS 'End of the sample, UTC.';
COMMENT ON COLUMN import_mark.up_bytes IS 'Bytes sent in the sample.';
COMMENT ON COLUMN import_mark.down_bytes IS 'Bytes received in the sample.';
COMMENT ON COLUMN import_mark.up_total IS 'Bytes sent that the source had counted by then.';
COMMENT ON COLUMN import_mark.down_total IS 'Bytes received that the source had counted by then.';
