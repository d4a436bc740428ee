//! All or nothing.

use duckdb::Connection;

/// Does some work in one transaction; on an error nothing of it has happened.
pub(crate) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> duckdb::Result<T>,
) -> duckdb::Result<T> {
    connection.execute_batch("BEGIN")?;
    let done = work(connection).and_then(|done| connection.execute_batch("COMMIT").map(|()| done));
    or_roll_back(connection, done)
}

/// Takes back what a transaction has done that did not come to its end.
pub(crate) fn or_roll_back<T>(
    connection: &Connection,
    done: duckdb::Result<T>,
) -> duckdb::Result<T> {
    if done.is_err()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        // DuckDB has often rolled back by itself; then there is nothing to do.
        tracing::debug!(%error, "rolling back");
    }
    done
}
