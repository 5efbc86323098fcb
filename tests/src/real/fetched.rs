//! Brokers that `tests/fetch` puts into the cache of the user, each in a directory of its own.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// A directory of the cache, which must exist.
pub(super) fn directory(name: &str) -> io::Result<PathBuf> {
    let directory = cache()?.join("stomp-tests").join(name);
    if directory.is_dir() {
        return Ok(directory);
    }
    let text = format!("{} is missing: tests/run makes it, and tests/fetch {name}", directory.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

fn cache() -> io::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let missing = || io::Error::new(io::ErrorKind::NotFound, "neither HOME nor XDG_CACHE_HOME is set");
    cache.ok_or_else(missing)
}

/// The class path of archives and a starter that lie in that directory.
pub(super) fn class_path(directory: &Path) -> OsString {
    let mut path = directory.join("classes").into_os_string();
    path.push(":");
    path.push(directory.join("lib/*"));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_fetched_says_how_to_fetch_it() {
        let error = directory("no-such-broker").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().ends_with("tests/fetch no-such-broker"), "{error}");
    }

    #[test]
    fn the_starter_is_found_before_the_archives() {
        assert_eq!(class_path(Path::new("/broker")), "/broker/classes:/broker/lib/*");
    }
}
