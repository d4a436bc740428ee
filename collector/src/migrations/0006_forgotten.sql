CREATE TABLE forgotten_volume (
    service_no INTEGER NOT NULL,
    up_bytes   UBIGINT NOT NULL,
    down_bytes UBIGINT NOT NULL
);
COMMENT ON TABLE forgotten_volume IS 'What each service carried in hours that are not kept any more: its total goes on counting them.';
COMMENT ON COLUMN forgotten_volume.service_no IS 'The service.';
COMMENT ON COLUMN forgotten_volume.up_bytes IS 'Bytes sent.';
COMMENT ON COLUMN forgotten_volume.down_bytes IS 'Bytes received.';
