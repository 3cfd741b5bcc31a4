//! Where the bytes of a data set are found.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tracing::{info, warn};

use crate::{DataFile, Manifest};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Finds files of data sets, and checks them.
#[derive(Debug, Clone)]
pub struct Loader {
    manifest: Manifest,
    cache: Option<PathBuf>,
    local: Option<PathBuf>,
    may_fetch: bool,
}

/// Where a file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the cache, where an earlier download had put it.
    Cache(PathBuf),
    /// In the folder that the environment names.
    Local(PathBuf),
    /// At its address; it is in the cache now, if there is one.
    Fetched(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(path) => write!(f, "{} (cache)", path.display()),
            Self::Local(path) => write!(f, "{} (local folder)", path.display()),
            Self::Fetched(url) => write!(f, "{url} (downloaded)"),
        }
    }
}

/// A file whose size and checksum are those of the manifest.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Where it was.
    pub place: Place,
}

/// Why a file of a data set cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The manifest has no such file.
    #[error("no data file `{path}`; there are {}", .known.join(", "))]
    Unknown { path: String, known: Vec<String> },
    /// A copy is there that has other bytes.
    #[error(
        "{place}: expected {expected_bytes} bytes with sha256 {expected}, \
         got {got_bytes} bytes with sha256 {got}"
    )]
    Checksum { place: String, expected_bytes: u64, expected: String, got_bytes: u64, got: String },
    /// A copy is there that cannot be read.
    #[error("read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// There is no copy, and it may not be fetched.
    #[error("data file `{path}` is not there: {}", .tried.join("; "))]
    NotFound { path: String, tried: Vec<String> },
    /// There is no copy, and fetching it failed.
    #[error("fetch `{url}` ({})", .tried.join("; "))]
    Fetch { url: String, tried: Vec<String>, source: reqwest::Error },
}

impl LoadError {
    /// Whether there is merely no copy at hand, rather than a wrong or unreadable one.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Fetch { .. })
    }
}

impl Loader {
    /// Looks in a cache, then in a local folder, then, if it may, at the address.
    pub fn new(
        manifest: Manifest,
        cache: Option<PathBuf>,
        local: Option<PathBuf>,
        may_fetch: bool,
    ) -> Self {
        Self { manifest, cache, local, may_fetch }
    }

    /// The usual places: `$XDG_CACHE_HOME/shadowline/datasets` or `~/.cache/shadowline/datasets`, the folder that
    /// `SHADOWLINE_DATASETS` names, and the network.
    pub fn from_environment() -> Self {
        let folder = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let cache = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|it| it.join(".cache")))
            .map(|it| it.join("shadowline").join("datasets"));
        Self::new(Manifest::built_in(), cache, folder("SHADOWLINE_DATASETS"), true)
    }

    /// What can be asked for.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Finds the file at a path of the manifest, and checks it.
    ///
    /// # Errors
    /// [`LoadError`]; a copy with a wrong checksum is an error, and no reason to look further.
    pub async fn load(&self, path: &str) -> Result<Found, LoadError> {
        let Some(file) = self.manifest.file(path) else {
            let files = self.manifest.data_sets().iter().flat_map(|it| &it.files);
            let known = files.map(|it| format!("`{}`", it.path)).collect();
            return Err(LoadError::Unknown { path: path.to_owned(), known });
        };
        let mut tried = Vec::new();
        match &self.cache {
            Some(cache) => {
                let at = cache.join(path);
                if let Some(bytes) = read(&at).await? {
                    return checked(file, bytes, Place::Cache(at));
                }
                tried.push(format!("not in the cache `{}`", cache.display()));
            }
            None => tried.push("no cache, for neither XDG_CACHE_HOME nor HOME is set".to_owned()),
        }
        match &self.local {
            Some(local) => {
                let at = local.join(path);
                if let Some(bytes) = read(&at).await? {
                    return checked(file, bytes, Place::Local(at));
                }
                tried.push(format!("not in SHADOWLINE_DATASETS `{}`", local.display()));
            }
            None => tried.push("SHADOWLINE_DATASETS is not set".to_owned()),
        }
        let Some(url) = file.url.as_ref().filter(|_| self.may_fetch) else {
            tried.push(if self.may_fetch { "it has no address" } else { "no fetching" }.to_owned());
            return Err(LoadError::NotFound { path: path.to_owned(), tried });
        };
        info!(url, "fetching a data file");
        let bytes = match fetch(url, file.bytes).await {
            Ok(bytes) => bytes,
            Err(source) => return Err(LoadError::Fetch { url: url.clone(), tried, source }),
        };
        let found = match checked(file, bytes, Place::Fetched(url.clone())) {
            Ok(found) => found,
            // Something between here and there answered instead, such as a login page.
            Err(other) => {
                tried.push(other.to_string());
                return Err(LoadError::NotFound { path: path.to_owned(), tried });
            }
        };
        if let Some(cache) = &self.cache {
            let at = cache.join(path);
            if let Err(error) = keep(&at, &found.bytes) {
                warn!(path = %at.display(), %error, "a data file is not kept in the cache");
            }
        }
        Ok(found)
    }
}

/// A file's bytes; none if there is no file.
async fn read(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoadError::Read { path: path.to_owned(), source }),
    }
}

fn checked(file: &DataFile, bytes: Vec<u8>, place: Place) -> Result<Found, LoadError> {
    let got: String = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
    let got_bytes = bytes.len() as u64;
    if got_bytes == file.bytes && got == file.sha256 {
        return Ok(Found { bytes, place });
    }
    Err(LoadError::Checksum {
        place: place.to_string(),
        expected_bytes: file.bytes,
        expected: file.sha256.clone(),
        got_bytes,
        got,
    })
}

/// Downloads at most one byte more than expected, which is enough to see that it is another file.
async fn fetch(url: &str, expected_bytes: u64) -> Result<Vec<u8>, reqwest::Error> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(DOWNLOAD_TIMEOUT)
        .user_agent(concat!("shadowline/", env!("CARGO_PKG_VERSION")))
        .build()?;
    let mut response = client.get(url).send().await?.error_for_status()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if expected_bytes < bytes.len() as u64 {
            break;
        }
    }
    Ok(bytes)
}

/// Puts a file where others see either all of it or none.
fn keep(at: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = at.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(at)?;
    Ok(())
}
