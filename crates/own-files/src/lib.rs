//! Files for the user that a service runs as, and nobody else: 0600, in folders of 0700.
//!
//! What is kept are requests with their answers, models, and what was judged of them; nobody else on the machine has to
//! read that. A program calls [`from_now_on`] as it starts, so that whatever it makes is its own, by whichever library.
//! [`folder`] and [`file()`] take away what others may with what was there before.
//!
//! This crate does not know what is kept where.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::umask;
use tracing::{info, warn};

/// What others than the owner may.
const OTHERS: u32 = 0o077;

/// Has this process make its files and folders for its own user alone, whatever it inherited.
pub fn from_now_on() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a folder if it is missing, and takes from others what they may with it and with everything in it.
///
/// What belongs to another user stays as it is, which is logged.
///
/// # Errors
/// The operating system's, if the folder cannot be made.
pub fn folder(dir: &Path) -> io::Result<()> {
    make(dir)?;
    let mut done = Done::default();
    done.close(dir);
    done.close_all_in(dir);
    done.say(dir);
    Ok(())
}

/// Makes a folder if it is missing; one that is there stays as it is.
///
/// # Errors
/// The operating system's.
pub fn make(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() {
        // The working directory, as a path to something in it names it.
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Takes from others what they may with a file, if it is there.
pub fn file(path: &Path) {
    let mut done = Done::default();
    done.close(path);
    done.say(path);
}

/// What was found and changed.
#[derive(Default)]
struct Done {
    n_closed: usize,
    failed: Option<io::Error>,
}

impl Done {
    fn close(&mut self, path: &Path) {
        // Not what a link leads to: that may be anything.
        let mode = match fs::symlink_metadata(path) {
            Ok(it) if it.is_file() || it.is_dir() => it.permissions().mode(),
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.failed = Some(error),
        };
        if mode & OTHERS == 0 {
            return;
        }
        match fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)) {
            Ok(()) => self.n_closed += 1,
            Err(error) => self.failed = Some(error),
        }
    }

    fn close_all_in(&mut self, dir: &Path) {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => return self.failed = Some(error),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            self.close(&path);
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                self.close_all_in(&path);
            }
        }
    }

    fn say(self, path: &Path) {
        if 0 < self.n_closed {
            let n_closed = self.n_closed;
            info!(path = %path.display(), n_closed, "other users of this machine could read files; now they cannot");
        }
        if let Some(error) = self.failed {
            warn!(path = %path.display(), %error, "other users of this machine may be able to read files");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_and_what_was_in_it_are_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        folder(&dir).unwrap();
        assert_eq!((mode(&dir), mode(&root.path().join("a"))), (0o700, 0o700));
        let (below, link, elsewhere) = (dir.join("below"), dir.join("link"), root.path().join("x"));
        fs::create_dir(&below).unwrap();
        for (path, to) in [(below.join("file"), 0o664), (elsewhere.clone(), 0o644)] {
            fs::write(&path, "x").unwrap();
            set(&path, to);
        }
        set(&below, 0o775);
        set(&dir, 0o755);
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        folder(&dir).unwrap();
        assert_eq!((mode(&dir), mode(&below), mode(&below.join("file"))), (0o700, 0o700, 0o600));
        // Where a link leads to is somebody else's.
        assert_eq!(mode(&elsewhere), 0o644);
        file(&elsewhere);
        file(&root.path().join("nothing"));
        assert_eq!(mode(&elsewhere), 0o600);
        // A folder that is only made stays as it was.
        set(&dir, 0o750);
        make(&dir).unwrap();
        assert_eq!(mode(&dir), 0o750);
    }
}
