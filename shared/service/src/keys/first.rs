//! The first admin's key: by a file of this machine, or by a token through a door that closes
//! behind whoever comes first.
//!
//! Invariant: key and closed door are one transaction, and the door never opens again.

use super::add::{Wish, faults, insert_new};
use super::audit_row;
use crate::context::{begin, commit};
use crate::{Caller, Context, Error, Role};
use certmill_crypto::token;
use certmill_domain::api_key::KeyState;
use certmill_domain::ids::TeamId;
use certmill_pg::{Pool, Tx};
use certmill_store::api_key::{self, ApiKey, NewApiKey};
use certmill_store::{audit, bootstrap_door};

/// How this database stands to a key that lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It opens.
    Valid,
    /// It was known, and has expired or was revoked.
    Ended,
    /// It was never heard of.
    Unknown,
}

/// How this database stands to the key.
///
/// # Errors
/// Failures of the database.
pub async fn standing(pool: &Pool, key: &token::ApiKey) -> Result<Standing, Error> {
    let mut tx = begin(pool).await?;
    let found = api_key::credential(&mut tx, key.id()).await?;
    let own = found.filter(|row| key.matches(&row.secret_sha256));
    Ok(match own.map(|row| row.state) {
        Some(KeyState::Valid) => Standing::Valid,
        Some(KeyState::Expired | KeyState::Revoked) => Standing::Ended,
        None => Standing::Unknown,
    })
}

/// Registers an admin key that its owner already has on disk, so that a crash between the two
/// steps never loses the only admin. Closes the door of [`bootstrap`].
///
/// # Errors
/// Failures of the database; [`Error::Store`] with a conflict if another key has the same prefix.
pub async fn register_first(pool: &Pool, key: &token::ApiKey, name: &str) -> Result<(), Error> {
    let caller = Caller::system("data-folder");
    let mut tx = begin(pool).await?;
    bootstrap_door::close(&mut tx, &caller.actor).await?;
    insert_given(&mut tx, &caller, key, name).await?;
    commit(tx).await
}

/// Whether a first admin can still come in by a token.
///
/// # Errors
/// Failures of the database.
pub async fn door_is_open(pool: &Pool) -> Result<bool, Error> {
    let mut tx = begin(pool).await?;
    Ok(bootstrap_door::is_open(&mut tx, TeamId::DEFAULT).await?)
}

/// What the holder of the token asks for.
pub struct FirstAsk {
    /// The name of the key.
    pub name: String,
    /// A key of the asker's own making, which it can keep before it asks: then a lost answer
    /// loses nothing. Without it one is drawn here.
    pub key: Option<token::ApiKey>,
}

/// The first admin's key.
pub struct First {
    /// The row.
    pub key: ApiKey,
    /// The key itself, where it was drawn here.
    pub secret: Option<token::ApiKey>,
}

/// Makes the first admin's key and closes the door. The caller has compared the token. A repeat
/// with the same key of one's own is answered as the first time.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Conflict`] `bootstrap_closed` for everybody after the first.
pub async fn bootstrap(
    context: &Context,
    request_id: Option<String>,
    ask: FirstAsk,
) -> Result<First, Error> {
    let faults = faults(&ask.name, None);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let caller = Caller {
        request_id,
        ..Caller::system("bootstrap")
    };
    let mut tx = context.begin().await?;
    let came_first = bootstrap_door::close(&mut tx, &caller.actor).await?;
    if !came_first || api_key::admin_exists(&mut tx, caller.team_id).await? {
        return closed(tx, came_first, ask.key.as_ref()).await;
    }
    let first = match ask.key {
        Some(given) => First {
            key: insert_given(&mut tx, &caller, &given, &ask.name).await?,
            secret: None,
        },
        None => {
            let wish = Wish {
                name: &ask.name,
                role: Role::Admin.as_str(),
                life: None,
                replaces: None,
            };
            let made = insert_new(&mut tx, &caller, &wish).await?;
            audit::append(&mut tx, &[audit_row(&caller, "key.bootstrap", &made.key)]).await?;
            First {
                key: made.key,
                secret: Some(made.secret),
            }
        }
    };
    commit(tx).await?;
    Ok(first)
}

/// The answer at a closed door; one that should have been closed before is closed now.
async fn closed(mut tx: Tx, came_first: bool, own: Option<&token::ApiKey>) -> Result<First, Error> {
    if let Some(key) = own
        && let Some(row) = api_key::credential(&mut tx, key.id()).await?
        && key.matches(&row.secret_sha256)
        && row.state == KeyState::Valid
    {
        let key = api_key::by_id(&mut tx, row.team_id, row.id).await?;
        return Ok(First { key, secret: None });
    }
    if came_first {
        commit(tx).await?;
    }
    Err(Error::Conflict {
        code: "bootstrap_closed",
        detail: "there has been an admin key here, so the token opens nothing any more".to_owned(),
    })
}

async fn insert_given(
    tx: &mut Tx,
    caller: &Caller,
    key: &token::ApiKey,
    name: &str,
) -> Result<ApiKey, Error> {
    let row = NewApiKey {
        team_id: caller.team_id,
        name,
        role: Role::Admin.as_str(),
        prefix: key.id(),
        secret_sha256: &key.hash(),
        life: None,
        created_by: &caller.actor,
        replaces: None,
    };
    let made = api_key::insert(&mut *tx, &row).await?;
    audit::append(&mut *tx, &[audit_row(caller, "key.bootstrap", &made)]).await?;
    Ok(made)
}
