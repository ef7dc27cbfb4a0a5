//! Where files live when nobody says so.
//!
//! Invariant: relative XDG variables are ignored, as their specification demands.

use std::path::{Path, PathBuf};

use crate::Env;

/// `/var/lib/certmill` as root, else `${XDG_DATA_HOME:-~/.local/share}/certmill`.
#[must_use]
pub fn default_data_dir(env: &Env) -> PathBuf {
    folder(env, "/var/lib/certmill", "XDG_DATA_HOME", ".local/share")
}

/// `/var/cache/certmill` as root, else `${XDG_CACHE_HOME:-~/.cache}/certmill`.
#[must_use]
pub fn default_cache_dir(env: &Env) -> PathBuf {
    folder(env, "/var/cache/certmill", "XDG_CACHE_HOME", ".cache")
}

fn folder(env: &Env, as_root: &str, xdg: &str, below_home: &str) -> PathBuf {
    if env.is_root {
        return PathBuf::from(as_root);
    }
    if let Some(base) = env
        .var(xdg)
        .map(Path::new)
        .filter(|base| base.is_absolute())
    {
        return base.join("certmill");
    }
    match env.var("HOME") {
        Some(home) => Path::new(home).join(below_home).join("certmill"),
        None => PathBuf::from("certmill-data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_root_xdg_and_home() {
        let mut env = Env::with_vars([("HOME", "/h/u")]);
        assert_eq!(
            default_data_dir(&env),
            Path::new("/h/u/.local/share/certmill")
        );
        env.vars.insert("XDG_DATA_HOME".into(), "relative".into());
        assert_eq!(
            default_data_dir(&env),
            Path::new("/h/u/.local/share/certmill")
        );
        env.vars.insert("XDG_DATA_HOME".into(), "/x".into());
        assert_eq!(default_data_dir(&env), Path::new("/x/certmill"));
        assert_eq!(default_cache_dir(&env), Path::new("/h/u/.cache/certmill"));
        env.is_root = true;
        assert_eq!(default_data_dir(&env), Path::new("/var/lib/certmill"));
    }
}
