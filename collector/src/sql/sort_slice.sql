-- Puts the rows of some services in one block of time next to each other.
-- Filled in: `table`; `rows`, which ones.
BEGIN;
CREATE OR REPLACE TEMP TABLE slice AS FROM {table} WHERE {rows};
DELETE FROM {table} WHERE {rows};
INSERT INTO {table} FROM slice ORDER BY service_no, bucket;
COMMIT;
DROP TABLE slice;
