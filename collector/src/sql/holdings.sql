-- What the store holds: its size, and of each kind of rows how many there are
-- and the time of the oldest.
SELECT
    (SELECT (block_size * total_blocks)::UBIGINT FROM pragma_database_size()),
    (SELECT count(*) FROM sample)::UBIGINT,
    (SELECT epoch_ms(min(ended_at)) FROM sample),
    (SELECT count(*) FROM five_minute_volume)::UBIGINT,
    (SELECT epoch_ms(min(bucket)) FROM five_minute_volume),
    (SELECT count(*) FROM hour_volume)::UBIGINT,
    (SELECT epoch_ms(min(bucket)) FROM hour_volume);
