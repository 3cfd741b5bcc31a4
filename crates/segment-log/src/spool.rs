//! A bounded queue on disk: appended to on the request path, drained by a sender.
//!
//! In its directory: `log/`, the records; `acknowledged`, the checkpoint below which all have been passed on; `instance`, the
//! spool's id; `boot`, the id of the machine's boot while the spool is open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tracing::{error, warn};
use uuid::Uuid;

use crate::checkpoint::{CheckpointError, DurableCheckpoint};
use crate::error::{AppendError, FileError, OpenError, ReadError};
use crate::files::{remove_quietly, write_atomically};
use crate::log::{Options, SegmentLog};

/// How far the sequence jumps when appended records may have been lost: more than fit a disk between two syncs.
const SEQUENCE_JUMP: u64 = 1 << 32;
/// Linux changes it with every boot. Elsewhere it is missing, and a power failure cannot be told from a kill.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How a spool is kept.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// Records that wait for acknowledgement take at most this much. On disk there can be one segment more.
    pub max_bytes: u64,
    /// Size of a file of the spool; what has been acknowledged is deleted by the file.
    pub segment_bytes: u64,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, segment_bytes: 64 << 20 }
    }
}

/// How full a spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// What waits for acknowledgement.
    pub used_bytes: u64,
    pub max_bytes: u64,
}

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolOpenError {
    #[error("open the spool's log")]
    Log(#[source] OpenError),
    #[error("open the spool's checkpoint")]
    Checkpoint(#[source] CheckpointError),
    #[error("{} holds {found:?} where a UUID was expected", path.display())]
    Instance { path: PathBuf, found: String },
    #[error("{} is missing, but the spool holds records that were appended under the id in it", path.display())]
    InstanceMissing { path: PathBuf },
    #[error("find the first record that waits for acknowledgement")]
    Read(#[source] ReadError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a spool refused a record or an acknowledgement.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool is full: {used_bytes} of {max_bytes} bytes wait to be sent")]
    Full { used_bytes: u64, max_bytes: u64 },
    #[error("append to the spool")]
    Append(#[source] AppendError),
    #[error("sequence {sequence} was acknowledged, but the last one appended is {last}")]
    NotAppended { sequence: u64, last: u64 },
    #[error("move the checkpoint of the spool")]
    Checkpoint(#[source] CheckpointError),
    #[error("read the spool")]
    Read(#[source] ReadError),
    #[error("drop what has been acknowledged")]
    Drop(#[source] FileError),
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A bounded queue on disk. Each record has a sequence number, from 1 on, that is never given twice: not after a kill,
/// not after everything has been dropped, and not after a power failure that took records which were not synced.
pub struct Spool {
    dir: PathBuf,
    instance: Uuid,
    max_bytes: u64,
    /// A log larger than this is dropped when all of it has been acknowledged.
    release_bytes: u64,
    log: SegmentLog,
    acknowledged: DurableCheckpoint,
    /// Position in the log of the first record that waits for acknowledgement; locked while a record is appended.
    waiting_from: Mutex<u64>,
    /// Held while the checkpoint moves.
    acknowledging: Mutex<()>,
    hook: RwLock<Option<Hook>>,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("dir", &self.dir)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool in `dir`, making it if it is not there.
    ///
    /// # Errors
    /// `Log` with `Locked` if it is open already; damage is named with its file.
    pub fn open(dir: impl Into<PathBuf>, options: &SpoolOptions) -> Result<Self, SpoolOpenError> {
        let dir = dir.into();
        let segment_bytes = options.segment_bytes.min(options.max_bytes);
        let log = SegmentLog::open(dir.join("log"), Options { segment_bytes, first_offset: 1 })
            .map_err(SpoolOpenError::Log)?;
        let acknowledged = DurableCheckpoint::open(dir.join("acknowledged"), 0)
            .map_err(SpoolOpenError::Checkpoint)?;
        let is_new = log.next_offset() == 1 && acknowledged.get() == 0;
        let instance = open_instance(&dir.join("instance"), is_new)?;
        skip_doubtful_sequences(&dir.join("boot"), &log, acknowledged.get())?;
        // A kill between moving the checkpoint and dropping segments leaves some to be dropped now.
        log.truncate_before(acknowledged.get() + 1)?;
        let first_waiting = (acknowledged.get() + 1).max(log.first_offset());
        let waiting_from = log.position_of(first_waiting).map_err(SpoolOpenError::Read)?;
        Ok(Self {
            dir,
            instance,
            max_bytes: options.max_bytes,
            release_bytes: segment_bytes / 8,
            log,
            acknowledged,
            waiting_from: Mutex::new(waiting_from),
            acknowledging: Mutex::default(),
            hook: RwLock::default(),
        })
    }

    /// The spool's own id, made when the spool was made.
    pub fn instance(&self) -> Uuid {
        self.instance
    }

    /// Has `hook` called after each append, on the thread that appended. It should only wake somebody up.
    pub fn set_append_hook(&self, hook: impl Fn() + Send + Sync + 'static) {
        *self.hook.write() = Some(Box::new(hook));
    }

    /// Appends a record and says its sequence number. When it returns, the record outlives a kill of the process.
    ///
    /// # Errors
    /// `Full` when the bound is reached; `Append` with `DiskFull` when the disk is. Both pass when records are
    /// acknowledged or room is made, and nothing was appended.
    pub fn append(&self, record: &[u8]) -> Result<u64, SpoolError> {
        let sequence = {
            let waiting_from = self.waiting_from.lock();
            let used_bytes = self.log.end_position() - *waiting_from;
            if self.max_bytes < used_bytes + SegmentLog::frame_size(record.len()) {
                return Err(SpoolError::Full { used_bytes, max_bytes: self.max_bytes });
            }
            self.log.append(record).map_err(SpoolError::Append)?
        };
        if let Some(hook) = &*self.hook.read() {
            hook();
        }
        Ok(sequence)
    }

    /// The sequence of the last record appended; 0 before the first one.
    pub fn last_sequence(&self) -> u64 {
        self.log.next_offset() - 1
    }

    /// The sequence up to which all records have been acknowledged; 0 before the first one.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.get()
    }

    /// Whether every record has been acknowledged.
    pub fn is_drained(&self) -> bool {
        self.fill().used_bytes == 0
    }

    /// Moves the checkpoint: records up to and including this sequence are never read again. A checkpoint that is already
    /// further stays where it is.
    ///
    /// # Errors
    /// `NotAppended` for a sequence that no record has. After `Drop` the checkpoint has moved, and only disk space is late.
    pub fn acknowledge(&self, up_to: u64) -> Result<(), SpoolError> {
        let _acknowledging = self.acknowledging.lock();
        if up_to <= self.acknowledged.get() {
            return Ok(());
        }
        let last = self.last_sequence();
        if last < up_to {
            return Err(SpoolError::NotAppended { sequence: up_to, last });
        }
        let waiting_from = self.log.position_of(up_to + 1).map_err(SpoolError::Read)?;
        self.acknowledged.set(up_to).map_err(SpoolError::Checkpoint)?;
        *self.waiting_from.lock() = waiting_from;
        // First what needs no room, as the disk may be full.
        self.log.truncate_before(up_to + 1).map_err(SpoolError::Drop)?;
        if self.release_bytes <= self.log.size_bytes() && self.is_drained() {
            self.log
                .roll()
                .and_then(|()| self.log.truncate_before(up_to + 1))
                .map_err(SpoolError::Drop)?;
        }
        Ok(())
    }

    /// Reads the records after a sequence, in order; empty when there is none yet. At least one is returned if there
    /// is any, however large.
    ///
    /// # Errors
    /// `Read` for damage, and for a sequence below the checkpoint whose record is gone.
    pub fn read_after(
        &self,
        sequence: u64,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Vec<(u64, Bytes)>, SpoolError> {
        let mut from = sequence + 1;
        if self.acknowledged() <= sequence {
            // Between the checkpoint and the first record there are only numbers that were left out.
            from = from.max(self.log.first_offset());
        }
        let chunk = self.log.read(from, max_bytes, max_records).map_err(SpoolError::Read)?;
        Ok(chunk.records)
    }

    /// How much waits for acknowledgement, and how much may.
    pub fn fill(&self) -> Fill {
        let waiting_from = self.waiting_from.lock();
        Fill { used_bytes: self.log.end_position() - *waiting_from, max_bytes: self.max_bytes }
    }

    /// The size of the records on disk, with those that are acknowledged and not yet dropped.
    pub fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// Makes all that was appended and acknowledged before the call survive a power failure.
    ///
    /// # Errors
    /// The step that failed.
    pub fn sync(&self) -> Result<(), FileError> {
        self.log.sync()?;
        self.acknowledged.sync()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        match self.sync() {
            // Nothing is in doubt any more, whatever happens to the machine until the spool is opened again.
            Ok(()) => remove_quietly(&self.dir.join("boot")),
            Err(error) => {
                error!(spool = %self.dir.display(), %error, "spool not synced on closing")
            }
        }
    }
}

/// Reads the spool's id, or makes one for a spool that has never held anything.
fn open_instance(path: &Path, is_new: bool) -> Result<Uuid, SpoolOpenError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim();
            Uuid::parse_str(text).map_err(|_| SpoolOpenError::Instance {
                path: path.to_owned(),
                found: text.chars().take(64).collect(),
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
            let instance = Uuid::new_v4();
            write_atomically(path, format!("{instance}\n").as_bytes())?;
            Ok(instance)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(SpoolOpenError::InstanceMissing { path: path.to_owned() })
        }
        Err(source) => Err(FileError::at("read", path)(source).into()),
    }
}

/// Jumps ahead where sequences may have been given to records that are gone.
///
/// A record that was sent before a power failure took it from the disk has used its sequence up: a new one under the
/// same number would be taken for a repeat further down and be dropped. Numbers left out do no harm.
fn skip_doubtful_sequences(
    boot_file: &Path,
    log: &SegmentLog,
    acknowledged: u64,
) -> Result<(), FileError> {
    let now = match std::fs::read(BOOT_ID) {
        Ok(id) => Some(id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(FileError::at("read", Path::new(BOOT_ID))(source)),
    };
    let before = match std::fs::read(boot_file) {
        Ok(id) => Some(id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(FileError::at("read", boot_file)(source)),
    };
    let machine_went_down = before.is_some() && before != now;
    let records_are_gone = log.next_offset() <= acknowledged;
    if machine_went_down || records_are_gone {
        let next = log.next_offset().max(acknowledged + 1) + SEQUENCE_JUMP;
        warn!(
            spool = %log.dir().display(), next, acknowledged,
            "records may be lost, as the machine went down with the spool open; numbers go on far ahead"
        );
        log.skip_to(next)?;
    }
    if let Some(id) = now
        && before.as_ref() != Some(&id)
    {
        write_atomically(boot_file, &id)?;
    }
    Ok(())
}
