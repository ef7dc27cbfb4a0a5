//! Connecting, and bringing the schema to this build.

use certmill_pg::{
    ConnectOptions, Demand, Pool, SchemaState, connect, migrate, require_fit, schema_state, user_of,
};
use certmill_service::{bootstrap, keks};
use certmill_settings::{Pooler, Role, Secret, Settings};

use super::{key_files, refusal};
use crate::exit::Exit;
use crate::failure::Failure;

/// The two logins of a database.
pub(super) struct Urls {
    /// The application's.
    pub app: Secret,
    /// The owner's, for migrations.
    pub owner: Secret,
}

/// The logins that the settings name.
pub(super) fn urls(settings: &Settings) -> Result<Urls, Failure> {
    let app = settings.database.url.clone();
    let owner = settings.database.migrate_url.clone();
    match (app, owner) {
        (Some(app), Some(owner)) => Ok(Urls { app, owner }),
        _ => Err(Failure::new(
            Exit::Config,
            "database_url",
            "settings",
            "is not set",
            "set CERTMILL_DATABASE_URL_FILE, or run `certmill up`, which brings a database of its own",
        )),
    }
}

/// The application's pool, sized for `role`.
pub(super) async fn app_pool(
    settings: &Settings,
    role: Role,
    app: &Secret,
) -> Result<Pool, Failure> {
    let mut options = options(settings, role).max_connections(settings.max_connections(role));
    options.with_history = true;
    let pool = connect(app, options.clone())
        .await
        .map_err(refusal::database)?;
    require_fit(app, &options, &pool)
        .await
        .map_err(refusal::database)?;
    warn_of_too_many(&pool, role).await;
    Ok(pool)
}

/// Says it loudly when all processes together may open more connections than the server gives.
async fn warn_of_too_many(pool: &Pool, role: Role) {
    let Ok(demand) = Demand::read(pool).await else {
        // Whatever is wrong with the database is told by whoever needs it next.
        return;
    };
    let name = format!("certmill-{} (this one)", role.as_str());
    if let Some(excess) = demand.and(&name, pool).excess() {
        tracing::warn!(
            event = "too_many_connections",
            "{excess}; lower database.max_connections or raise max_connections of Postgres"
        );
    }
}

/// A small pool of the owner's, for migrations and seeding.
pub(super) async fn owner_pool(settings: &Settings, owner: &Secret) -> Result<Pool, Failure> {
    connect(owner, options(settings, Role::Migrate).max_connections(3))
        .await
        .map_err(refusal::database)
}

fn options(settings: &Settings, role: Role) -> ConnectOptions {
    let mut options = ConnectOptions::new(role.as_str());
    options.tls = settings.database.tls.into();
    // Migrations need a session of their own, so the owner's address is a direct one.
    options.pooler = role != Role::Migrate && settings.database.pooler == Pooler::Transaction;
    options
}

/// Migrates and seeds. Key files are made where `make_key_files` says so and nothing is sealed
/// yet; without them an empty database is refused before anything is written.
pub(super) async fn prepare(
    settings: &Settings,
    urls: &Urls,
    make_key_files: bool,
) -> Result<(), Failure> {
    let owner = owner_pool(settings, &urls.owner).await?;
    let before = schema_state(&owner).await.map_err(refusal::database)?;
    if matches!(before, SchemaState::Empty) && !make_key_files && !key_files::are_there(settings) {
        return Err(Failure::new(
            Exit::Config,
            "key-encryption files",
            &settings.ca_kek_file.display().to_string(),
            "the database is empty and there are no key files to seal its CA with",
            "run `certmill migrate --init` once, or copy ca.kek and app.kek here",
        ));
    }
    if !before.is_fit() {
        tracing::info!(event = "migrating", "bringing the schema to this build");
    }
    let app_user = user_of(&urls.app).map_err(refusal::database)?;
    if user_of(&urls.owner).map_err(refusal::database)? == app_user {
        tracing::warn!(
            event = "one_database_user",
            "owner and application are one database user, so nothing keeps the application from \
             changing audit rows; give migrate_url a user of its own"
        );
    }
    migrate(&owner, &app_user, &|step| {
        tracing::info!(event = "migration", step)
    })
    .await
    .map_err(refusal::database)?;
    let seeded = bootstrap::is_seeded(&owner)
        .await
        .map_err(refusal::service)?;
    if make_key_files && !seeded {
        key_files::make_missing(settings)?;
    }
    let mut keyrings = Vec::new();
    for files in [key_files::of_ca(settings), key_files::of_app(settings)] {
        let keyring = keks::keyring(&owner, files.purpose, files.load()?);
        keyrings.push(keyring.await.map_err(refusal::service)?);
    }
    if let [ca, app] = keyrings.as_slice() {
        bootstrap::seed(&owner, ca, app)
            .await
            .map_err(refusal::service)?;
    }
    owner.close().await;
    Ok(())
}

/// The pool of a role that may migrate at boot; the schema is then this build's, or a newer one
/// that accepts it.
pub(super) async fn pool_with_schema(settings: &Settings) -> Result<Pool, Failure> {
    let urls = urls(settings)?;
    let pool = app_pool(settings, settings.role, &urls.app).await?;
    let state = schema_state(&pool).await.map_err(refusal::database)?;
    let ready = state.is_fit()
        && bootstrap::is_seeded(&pool)
            .await
            .map_err(refusal::service)?;
    if ready {
        return Ok(pool);
    }
    if settings.migrate_at_boot
        && matches!(
            state,
            SchemaState::Empty
                | SchemaState::Behind { .. }
                | SchemaState::Gap { .. }
                | SchemaState::Equal
        )
    {
        prepare(settings, &urls, false).await?;
        return Ok(pool);
    }
    state.require_fit().map_err(refusal::database)?;
    Err(Failure::new(
        Exit::Config,
        "database",
        "database_url",
        "the schema is there, but its first rows are not",
        "run `certmill migrate --init`",
    ))
}
