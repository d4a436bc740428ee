//! Changes that DuckDB kept though it said that they had failed.

use super::*;
use crate::store::Database;

#[test]
fn a_registration_that_is_kept_though_it_failed_is_not_doubled() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("registry.duckdb"))?;
    let registry = Registry::load(database.lane())?;
    let ids = ["one", "two", "three"].map(ServiceId::new);
    let [one, two, three] = ids.map(Result::unwrap);
    // The rows are there; what followed them, a checkpoint, has failed, and so
    // nobody was told.
    let details = ServiceDetails { name: "Ghost".into(), ..ServiceDetails::default() };
    let connection = registry.connection.lock()?;
    for id in [&one, &two] {
        persist::insert(&connection, id, details.clone())?;
    }
    drop(connection);
    assert!(registry.is_empty());
    registry.register(&one, ServiceDetails::default())?;
    registry.register_all([&two, &three])?;
    let connection = registry.connection.lock()?;
    let stored = persist::services(&connection)?;
    let stored: Vec<_> = stored.into_iter().map(|s| (s.id, s.number, s.name)).collect();
    let known = registry.services().into_iter().map(|s| (s.id.clone(), s.number, s.name.clone()));
    let mut known: Vec<_> = known.collect();
    known.sort_by_key(|(_, number, _)| *number);
    assert_eq!(stored, known);
    assert!(stored.iter().all(|(id, _, name)| name == id.as_str()), "{stored:?}");
    Ok(())
}
