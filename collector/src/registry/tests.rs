//! Changes that DuckDB kept though it said that they had failed.

use super::*;
use crate::store::Database;

#[test]
fn a_registration_that_is_kept_though_it_failed_is_not_doubled() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("registry.duckdb"))?;
    let registry = Registry::load(database.lane(), Arc::default())?;
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

/// What DuckDB says of a commit that is durable, but for the checkpoint after it.
fn failed() -> duckdb::Error {
    let code = duckdb::ffi::Error::new(duckdb::ffi::DuckDBError);
    duckdb::Error::DuckDBFailure(code, Some("Could not create checkpoint".to_owned()))
}

#[test]
fn a_token_that_is_kept_though_that_failed_lets_in_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("registry.duckdb"))?;
    let registry = Registry::load(database.lane(), Arc::default())?;
    registry.admit_operator("operator");
    let web = ServiceId::new("web-1")?;
    let (service, old) = registry.create(&web, ServiceDetails::default())?;
    let revoked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&revoked);
    registry.when_revoked(move |revoked| {
        if let Revoked::Credential(credential) = revoked {
            told.lock().push(credential.name.clone());
        }
    });
    let new = Token::random();
    let fresh = Credential {
        name: web.to_string(),
        role: Role::Agent,
        service_no: Some(service.number),
        hash: credential::hash(new.expose()),
        created_at: now(),
        expires_at: None,
    };
    // Nothing of it is stored: the old one goes on.
    assert!(registry.must_hold(&fresh, failed()).is_err());
    assert!(registry.agent_may("web-1", old.expose()));
    let connection = registry.connection.lock()?;
    persist::replace_credential(&connection, &fresh, Timestamp::now())?;
    drop(connection);
    registry.must_hold(&fresh, failed())?;
    let as_loaded = Registry::load(database.lane(), Arc::default())?;
    for registry in [&registry, &as_loaded] {
        assert!(registry.agent_may("web-1", new.expose()));
        assert!(!registry.agent_may("web-1", old.expose()));
    }
    assert!(registry.by_token("operator").is_some(), "never stored");
    assert_eq!(*revoked.lock(), ["web-1"]);
    Ok(())
}

#[test]
fn a_password_that_is_kept_though_that_failed_is_the_one() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("registry.duckdb"))?;
    let registry = Registry::load(database.lane(), Arc::default())?;
    assert!(registry.must_be_set("new".to_owned(), failed()).is_err());
    let connection = registry.connection.lock()?;
    persist::set_password(&connection, ADMIN, "new", now())?;
    drop(connection);
    assert!(!registry.has_password());
    registry.must_be_set("new".to_owned(), failed())?;
    assert!(registry.has_password(), "it is taken up");
    assert!(registry.must_be_set("other".to_owned(), failed()).is_err());
    Ok(())
}
