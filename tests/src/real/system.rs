//! Another system, whose root directory lies in ours: its programs are run by chroot, and what they read and write has the
//! same path from within and from without. For that, `tests/fetch` has left a link in it that leads back to its root.

use super::find_program;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The directory of the system that anybody may write to.
const WRITABLE: &str = "srv";

/// The system that a broker is installed in.
#[derive(Clone, Debug)]
pub(super) struct System {
    /// `None`: our own.
    root: Option<PathBuf>,
}

impl System {
    /// The system of this machine.
    pub(super) const OURS: Self = Self { root: None };

    /// The system with this root.
    pub(super) fn within(root: PathBuf) -> Self {
        Self { root: Some(root) }
    }

    /// Where a file of the system is found from without.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => path.into(),
        }
    }

    /// The directory in which brokers have theirs.
    pub(super) fn writable(&self) -> PathBuf {
        self.root.as_ref().map_or_else(std::env::temp_dir, |root| root.join(WRITABLE))
    }

    /// The program and the first arguments that run a program of the system, which has this path from without.
    pub(super) fn command(&self, program: PathBuf) -> io::Result<(PathBuf, Vec<OsString>)> {
        let Some(root) = &self.root else { return Ok((program, Vec::new())) };
        let inside = program.strip_prefix(root).unwrap_or(&program);
        let inside = Path::new("/").join(inside).into_os_string();
        let find = |name| find_program(name).unwrap_or_else(|| Path::new("/usr/sbin").join(name));
        if is_root()? {
            return Ok((find("chroot"), vec![root.into(), inside]));
        }
        // Who is not root is in a namespace of users, where there is no need of any mount.
        let arguments = ["--map-root-user".into(), find("chroot").into(), root.into(), inside];
        Ok((find("unshare"), arguments.into()))
    }
}

fn is_root() -> io::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_ours_is_run_as_it_is() {
        let (program, arguments) = System::OURS.command("/bin/sh".into()).unwrap();
        assert_eq!((program, arguments.len()), ("/bin/sh".into(), 0));
        assert_eq!(System::OURS.path("/usr/lib"), Path::new("/usr/lib"));
    }

    #[test]
    fn a_program_of_another_system_is_named_as_from_within() {
        let system = System::within("/cache/debian".into());
        let (program, arguments) = system.command(system.path("/usr/bin/epmd")).unwrap();
        assert!(program.ends_with("chroot") || program.ends_with("unshare"), "{program:?}");
        assert!(arguments.ends_with(&["/cache/debian".into(), "/usr/bin/epmd".into()]), "{arguments:?}");
    }
}
