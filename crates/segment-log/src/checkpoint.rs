//! One number in a file, which a kill at any moment leaves either old or new.
//!
//! The file has two slots and writes them in turn: while one is being written, the other is whole. A slot is the CRC-32
//! of what follows, four zero bytes, the generation and the number; the whole slot of the higher generation counts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::FileError;
use crate::files::write_atomically;
use crate::frame::{u32_at, u64_at};

const SLOT_BYTES: usize = 24;
/// Slots lie in different sectors, so that a disk which tears one leaves the other.
const SLOT_SPACING: usize = 512;
const FILE_BYTES: usize = 2 * SLOT_SPACING;

/// Why a checkpoint could not be opened or moved.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{} is not a checkpoint, or both copies in it are corrupt", path.display())]
    Corrupt { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
}

/// A durable `u64`.
#[derive(Debug)]
pub struct DurableCheckpoint {
    path: PathBuf,
    file: File,
    slot: Mutex<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    generation: u64,
    value: u64,
}

impl DurableCheckpoint {
    /// Opens the checkpoint, or makes it with the value `initial`.
    ///
    /// # Errors
    /// `Corrupt` if neither copy in the file passes its checksum.
    pub fn open(path: impl Into<PathBuf>, initial: u64) -> Result<Self, CheckpointError> {
        let path = path.into();
        let file = match open_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut content = [0; FILE_BYTES];
                content[..SLOT_BYTES]
                    .copy_from_slice(&Slot { generation: 0, value: initial }.encode());
                write_atomically(&path, &content)?;
                open_file(&path)
            }
            other => other,
        };
        let file = file.map_err(FileError::at("open", &path))?;
        let mut content = [0; FILE_BYTES];
        let read = file.read_at(&mut content, 0).map_err(FileError::at("read", &path))?;
        // A file of any other length is not ours, or has lost a part that nothing we do can take from it.
        let slots = if read == FILE_BYTES {
            [0, SLOT_SPACING].map(|at| Slot::decode(&content[at..]))
        } else {
            [None; 2]
        };
        match slots.into_iter().flatten().max_by_key(|it| it.generation) {
            Some(slot) => Ok(Self { path, file, slot: Mutex::new(slot) }),
            None => Err(CheckpointError::Corrupt { path }),
        }
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.slot.lock().value
    }

    /// Sets the value. When it returns, the new value outlives a kill of the process.
    ///
    /// # Errors
    /// The step that failed; the value is then what it was.
    pub fn set(&self, value: u64) -> Result<(), CheckpointError> {
        let mut slot = self.slot.lock();
        let new = Slot { generation: slot.generation + 1, value };
        let at = if new.generation.is_multiple_of(2) { 0 } else { SLOT_SPACING };
        self.file
            .write_all_at(&new.encode(), at as u64)
            .map_err(FileError::at("write", &self.path))?;
        *slot = new;
        Ok(())
    }

    /// Makes the value survive a power failure.
    ///
    /// # Errors
    /// The step that failed.
    pub fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().map_err(FileError::at("sync", &self.path))
    }
}

impl Slot {
    fn encode(self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.value.to_le_bytes());
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[0..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = &bytes[..SLOT_BYTES];
        let is_whole = crc32fast::hash(&bytes[4..]) == u32_at(bytes, 0);
        if is_whole {
            Some(Self { generation: u64_at(bytes, 8), value: u64_at(bytes, 16) })
        } else {
            None
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}
