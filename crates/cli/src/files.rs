//! Files that are there as a whole or not at all, and what else can be written to.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::Builder;

/// The names of standard output.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Where bytes go.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Stdout,
    /// A regular file, or none yet: replaced as a whole.
    File(PathBuf),
    /// A device, a pipe or the like: written to.
    Stream,
}

/// Whether a path names standard output, so that nothing else may be said there.
pub(crate) fn is_stdout(path: &Path) -> bool {
    STDOUT.iter().any(|it| path == Path::new(it))
}

/// Writes a file so that a reader sees all of it or what was there before. A link stays one, and what it leads to is
/// written; devices and pipes are written to.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        match target(path)? {
            Target::Stdout => {
                let mut out = std::io::stdout().lock();
                match out.write_all(bytes).and_then(|()| out.flush()) {
                    // The reader has closed the pipe.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                    result => result?,
                }
            }
            Target::File(path) => replace(&path, bytes)?,
            Target::Stream => {
                std::fs::OpenOptions::new().write(true).open(path)?.write_all(bytes)?;
            }
        }
        Ok(())
    };
    write().with_context(|| format!("write `{}`", path.display()))
}

fn target(path: &Path) -> anyhow::Result<Target> {
    if is_stdout(path) {
        return Ok(Target::Stdout);
    }
    // What is there already and is no file, by whatever way it is named: a shell's >(…) is a link that leads to a pipe
    // without a name.
    if std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        return Ok(Target::Stream);
    }
    let mut path = path.to_owned();
    // Link by link, because the last one may lead to what is not there yet.
    for _ in 0..40 {
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Target::File(path));
            }
            Err(error) => return Err(error.into()),
            Ok(found) if found.is_symlink() => {
                let leads_to = std::fs::read_link(&path)?;
                // What an open file is called there need not be a name that can be opened.
                if path.starts_with("/proc") {
                    return Ok(Target::Stream);
                }
                path = path.parent().unwrap_or(Path::new(".")).join(leads_to);
            }
            Ok(found) if found.is_file() => return Ok(Target::File(path)),
            Ok(found) if found.is_dir() => bail!("it is a directory"),
            Ok(_) => return Ok(Target::Stream),
        }
    }
    bail!("its links go round in a circle")
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = like_any_file().tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Refuses an output that is one of the inputs or lies in one that is a folder, by whatever way it is named.
pub(crate) fn refuse_input(out: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let Ok(Target::File(out_file)) = target(out) else { return Ok(()) };
    let folder = out_file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok();
    for input in inputs {
        let is_same = match (std::fs::metadata(input), std::fs::metadata(&out_file)) {
            (Ok(input), Ok(out)) if input.is_file() => is_same_file(&input, &out),
            _ => false,
        };
        let is_within = input.is_dir()
            && input
                .canonicalize()
                .ok()
                .zip(folder.clone())
                .is_some_and(|(it, out)| out.starts_with(it));
        if is_same {
            bail!("--out `{}` would overwrite what is read: `{}`", out.display(), input.display());
        }
        if is_within {
            bail!(
                "--out `{}` lies in the folder that is read: `{}`",
                out.display(),
                input.display()
            );
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_same_file(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    false
}

/// A temporary file that those who may read the folder's other files may read, too.
fn like_any_file() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's own mask takes away what it takes away from every file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("real"), "old").unwrap();
        symlink("real", at("link")).unwrap();
        symlink("link", at("chain")).unwrap();
        symlink("none", at("dangling")).unwrap();
        for (name, text) in [("link", "one"), ("chain", "two")] {
            write_whole(&at(name), text.as_bytes()).unwrap();
            assert!(at(name).is_symlink());
            assert_eq!(std::fs::read_to_string(at("real")).unwrap(), text);
        }
        write_whole(&at("dangling"), b"three").unwrap();
        assert!(at("dangling").is_symlink());
        assert_eq!(std::fs::read_to_string(at("none")).unwrap(), "three");
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        assert!(format!("{:#}", write_whole(&at("a"), b"").unwrap_err()).contains("circle"));
        write_whole(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!std::fs::symlink_metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_pipe_that_has_a_number_only_is_written_to() {
        use std::io::Read;
        use std::os::fd::AsRawFd;

        for folder in ["/dev/fd", "/proc/self/fd"] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let path = format!("{folder}/{}", writer.as_raw_fd());
            write_whole(Path::new(&path), b"scores").unwrap();
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "scores", "{path}");
        }
    }

    #[test]
    fn an_input_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("parts")).unwrap();
        std::fs::write(at("rows"), "x").unwrap();
        std::fs::hard_link(at("rows"), at("same")).unwrap();
        symlink("rows", at("link")).unwrap();
        let inputs = [at("rows"), at("parts")];
        for out in ["rows", "same", "link", "parts/scores.csv", "parts/../rows"] {
            assert!(refuse_input(&at(out), &inputs).is_err(), "{out}");
        }
        for out in ["scores.csv", "parts.csv"] {
            assert!(refuse_input(&at(out), &inputs).is_ok(), "{out}");
        }
    }
}
