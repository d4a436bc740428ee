-- One row an interface and hour, from the hour `from` to the hour `until`.
BEGIN;

CREATE OR REPLACE TEMP TABLE doubled AS
SELECT service_no, name, bucket
FROM interface_volume
WHERE bucket >= {from} AND bucket < {until}
GROUP BY ALL
HAVING count(*) > 1;

CREATE OR REPLACE TEMP TABLE joined AS
SELECT
    service_no,
    name,
    arg_max(role, rowid) AS role,
    arg_max(counted, rowid) AS counted,
    bucket,
    least(sum(up_bytes), 18446744073709551615)::UBIGINT AS up_bytes,
    least(sum(down_bytes), 18446744073709551615)::UBIGINT AS down_bytes
FROM interface_volume
SEMI JOIN doubled USING (service_no, name, bucket)
WHERE bucket >= {from} AND bucket < {until}
GROUP BY service_no, name, bucket;

DELETE FROM interface_volume
USING doubled
WHERE interface_volume.bucket >= {from}
    AND interface_volume.bucket < {until}
    AND interface_volume.service_no = doubled.service_no
    AND interface_volume.name = doubled.name
    AND interface_volume.bucket = doubled.bucket;

INSERT INTO interface_volume
SELECT service_no, name, role, counted, bucket, up_bytes, down_bytes FROM joined;

COMMIT;
