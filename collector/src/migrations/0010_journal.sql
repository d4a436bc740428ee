-- What is acknowledged is committed as one value here, which costs a fraction
-- of a commit to the tables, and spread to them every few seconds. It is gone
-- too soon for compression to be worth its time.
CREATE TABLE journal (
    number UBIGINT NOT NULL,
    entry  BLOB NOT NULL USING COMPRESSION uncompressed
);

COMMENT ON TABLE journal IS 'Samples that are acknowledged and not in the other tables yet: as a rule a few seconds of them, and none after an ordinary stop. The next start puts into the tables what a killed program has left here.';
COMMENT ON COLUMN journal.number IS 'In the order in which they came.';
COMMENT ON COLUMN journal.entry IS 'What one commit adds to the other tables, in a form of the program.';
