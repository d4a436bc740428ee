CREATE TABLE account (
    name          VARCHAR NOT NULL,
    password_hash VARCHAR NOT NULL,
    changed_at    TIMESTAMP_MS NOT NULL
);
COMMENT ON TABLE account IS 'Who logs in with a password. Today that is admin alone.';
COMMENT ON COLUMN account.password_hash IS 'argon2id with its parameters and salt, as a PHC string.';

CREATE TABLE session (
    hash         VARCHAR NOT NULL,
    account      VARCHAR NOT NULL,
    client       VARCHAR NOT NULL,
    created_at   TIMESTAMP_MS NOT NULL,
    last_seen_at TIMESTAMP_MS NOT NULL
);
COMMENT ON TABLE session IS 'Browsers that are logged in.';
COMMENT ON COLUMN session.hash IS 'SHA-256 of the cookie''s token, which has 256 random bits, in hexadecimal digits.';
COMMENT ON COLUMN session.client IS 'Where and with what it was begun, for people.';
COMMENT ON COLUMN session.last_seen_at IS 'To the hour.';

COMMENT ON TABLE credential IS 'Hashes of tokens. role agent: publishes for service_no; reader: reads service_no, or everything where it is null; api-read and api-manage: a script that reads, or also changes.';
