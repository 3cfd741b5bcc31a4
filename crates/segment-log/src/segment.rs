//! One file of a log: a header, then frames.
//!
//! The file is named after its first offset, `00000000000000000042.log`. Its header of 32 bytes:
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `SHDWSEG1`: what it is, and the version of the format |
//! | 8 | base: the offset of the first record, also in the name |
//! | 8 | end: for a compacted segment the offset after its last one, whether that record is still there or not; else 0 |
//! | 4 | flags: 1 = the log was told to leave a gap before this segment |
//! | 4 | CRC-32 of everything before it |
//!
//! A segment appears under its name complete with its header, because it is written under another name first.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::RwLock;
use tracing::warn;

use crate::error::{AppendError, FileError, OpenError, ReadError};
use crate::files::{remove_quietly, sync_parent, write_atomically};
use crate::frame::{BadFrame, Frame, FrameError, Frames, u32_at, u64_at};

pub(crate) const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"SHDWSEG1";
const FLAG_GAP_BEFORE: u32 = 1;
/// A reader skips at most this much to find its offset.
const INDEX_EVERY_BYTES: u64 = 4096;
const SCAN_CHUNK_BYTES: usize = 1 << 20;

/// What the header of a segment says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) base: u64,
    /// The offset after the last one of a compacted segment; `None` for one as it was appended.
    pub(crate) compacted_end: Option<u64>,
    /// Whether offsets were skipped on purpose before this segment.
    pub(crate) gap_before: bool,
}

impl Header {
    /// The header of a segment that follows the one before it without a gap.
    pub(crate) fn plain(base: u64) -> Self {
        Self { base, compacted_end: None, gap_before: false }
    }

    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.base.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.compacted_end.unwrap_or(0).to_le_bytes());
        bytes[24..28]
            .copy_from_slice(&if self.gap_before { FLAG_GAP_BEFORE } else { 0 }.to_le_bytes());
        let crc = crc32fast::hash(&bytes[0..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, String> {
        if &bytes[0..8] != MAGIC {
            return Err(format!("it begins with {:?}, not with {MAGIC:?}", &bytes[0..8]));
        }
        let (expected, found) = (crc32fast::hash(&bytes[0..28]), u32_at(bytes, 28));
        if expected != found {
            return Err(format!(
                "its header has checksum {found:08x} where the content gives {expected:08x}"
            ));
        }
        let flags = u32_at(bytes, 24);
        if flags & !FLAG_GAP_BEFORE != 0 {
            return Err(format!("its header has the unknown flags {flags:#x}"));
        }
        let end = u64_at(bytes, 16);
        let compacted_end = if end == 0 { None } else { Some(end) };
        Ok(Self { base: u64_at(bytes, 8), compacted_end, gap_before: flags & FLAG_GAP_BEFORE != 0 })
    }
}

/// The name of the segment that begins at `base`. Zeros in front make names sort as offsets do.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:020}.log")
}

/// The base offset that a segment's file name says; `None` for other files.
pub(crate) fn base_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_suffix(".log")?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

/// Where reading may begin.
#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    offset: u64,
    position: u64,
}

/// What is known of a segment's content; only appending changes it.
#[derive(Debug, Clone)]
struct Content {
    /// Bytes that hold checked or acknowledged frames. What is behind them, if anything, is not part of the log.
    len: u64,
    /// The offset after the last one.
    next: u64,
    /// The first frame and then one about every [`INDEX_EVERY_BYTES`].
    index: Vec<IndexEntry>,
}

impl Content {
    fn empty(base: u64) -> Self {
        Self { len: HEADER_BYTES as u64, next: base, index: Vec::new() }
    }

    fn note(&mut self, offset: u64, position: u64) {
        if self.index.last().is_none_or(|last| INDEX_EVERY_BYTES <= position - last.position) {
            self.index.push(IndexEntry { offset, position });
        }
    }

    /// Where to begin looking for `offset`.
    fn position_before(&self, offset: u64) -> u64 {
        let after = self.index.partition_point(|it| it.offset <= offset);
        // With the first indexed frame above it, or none at all, one begins at the first frame.
        after.checked_sub(1).map_or(HEADER_BYTES as u64, |idx| self.index[idx].position)
    }
}

/// Where a segment ended when it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentEnd {
    /// The offset after the last one.
    pub(crate) next: u64,
    pub(crate) frame_bytes: u64,
}

/// One file of the log, open for reading, and the last one also for appending.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) path: PathBuf,
    file: File,
    /// Bytes of frames in all segments before this one since the log was opened.
    pub(crate) start: u64,
    content: RwLock<Content>,
}

impl Segment {
    /// Makes the file, complete with its header and on disk.
    pub(crate) fn create(dir: &Path, header: Header, start: u64) -> Result<Self, FileError> {
        let path = dir.join(file_name(header.base));
        let made = write_atomically(&path, &header.encode()).and_then(|()| open_file(&path));
        // Left behind, a segment that is not written to would be a gap at the next start.
        let file = made.inspect_err(|_| remove_quietly(&path))?;
        Ok(Self { header, path, file, start, content: RwLock::new(Content::empty(header.base)) })
    }

    /// Opens a file and reads it through. A bad end of the last segment is cut off; anywhere else it is an error.
    pub(crate) fn open(path: PathBuf, is_last: bool, start: u64) -> Result<Self, OpenError> {
        let file = open_file(&path)?;
        let header = read_header(&file, &path)?;
        let file_len = file.metadata().map_err(FileError::at("look at", &path))?.len();
        let (mut content, bad) =
            scan(&file, header, file_len).map_err(FileError::at("read", &path))?;
        if let Some((position, reason)) = bad {
            if !is_last {
                return Err(OpenError::Corrupt { path, position, reason });
            }
            warn!(
                segment = %path.display(), position, %reason, cut_bytes = file_len - position,
                "the end of the last segment was not written completely and is cut off"
            );
            file.set_len(position).map_err(FileError::at("truncate", &path))?;
            file.sync_all().map_err(FileError::at("sync", &path))?;
        }
        if let Some(end) = header.compacted_end {
            content.next = end;
        }
        Ok(Self { header, path, file, start, content: RwLock::new(content) })
    }

    pub(crate) fn base(&self) -> u64 {
        self.header.base
    }

    /// The offset after the last one.
    pub(crate) fn next(&self) -> u64 {
        self.content.read().next
    }

    /// The size on disk.
    pub(crate) fn len(&self) -> u64 {
        self.content.read().len
    }

    /// Bytes of its frames.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.len() - HEADER_BYTES as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frame_bytes() == 0
    }

    /// The time of the last write, as the file system keeps it.
    pub(crate) fn modified(&self) -> Result<SystemTime, FileError> {
        self.file
            .metadata()
            .and_then(|it| it.modified())
            .map_err(FileError::at("look at", &self.path))
    }

    /// Writes whole frames behind what is there, in one go, and then shows them to readers.
    ///
    /// `starts` has the place of each frame in `frames`; their offsets count up by one from `next`.
    pub(crate) fn append(&self, frames: &[u8], starts: &[usize]) -> Result<(), AppendError> {
        let len = self.len();
        self.file
            .write_all_at(frames, len)
            .map_err(FileError::at("write", &self.path))
            .map_err(AppendError::from_file)?;
        let mut content = self.content.write();
        for start in starts {
            let offset = content.next;
            content.note(offset, len + *start as u64);
            content.next += 1;
        }
        content.len += frames.len() as u64;
        Ok(())
    }

    /// Cuts off what a failed write left behind the last good frame.
    pub(crate) fn cut_back(&self) -> Result<(), FileError> {
        self.file.set_len(self.len()).map_err(FileError::at("truncate", &self.path))
    }

    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().map_err(FileError::at("sync", &self.path))
    }

    pub(crate) fn remove(&self) -> Result<(), FileError> {
        std::fs::remove_file(&self.path).map_err(FileError::at("remove", &self.path))
    }

    /// Reads frames in order, beginning at the first with at least the offset `from`, until `visit` says enough.
    ///
    /// The result says where the segment ended if it was read to its end, `None` if `visit` stopped before.
    pub(crate) fn visit(
        &self,
        from: u64,
        chunk_bytes: usize,
        mut visit: impl FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<Option<SegmentEnd>, ReadError> {
        let (position, end, next) = {
            let content = self.content.read();
            (content.position_before(from), content.len, content.next)
        };
        let mut frames = Frames::new(&self.file, position, end, chunk_bytes);
        while let Some(frame) = frames.next_frame().map_err(|error| self.read_error(error))? {
            if frame.offset < from {
                continue;
            }
            if visit(frame).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(SegmentEnd { next, frame_bytes: end - HEADER_BYTES as u64 }))
    }

    fn read_error(&self, error: FrameError) -> ReadError {
        match error {
            FrameError::Bad { position, reason } => {
                ReadError::Corrupt { path: self.path.clone(), position, reason }
            }
            FrameError::Io(source) => {
                ReadError::File(FileError { step: "read", path: self.path.clone(), source })
            }
        }
    }
}

/// A segment being put together under another name, to take the place of others when it is complete.
#[derive(Debug)]
pub(crate) struct Replacement {
    dir: PathBuf,
    base: u64,
    temporary: PathBuf,
    file: File,
    content: Content,
    buffer: Vec<u8>,
}

impl Replacement {
    pub(crate) fn create(dir: &Path, base: u64) -> Result<Self, FileError> {
        let temporary = dir.join(format!("{base:020}.log.tmp"));
        let file = File::create(&temporary).map_err(FileError::at("create", &temporary))?;
        let content = Content::empty(base);
        Ok(Self {
            dir: dir.to_owned(),
            base,
            temporary,
            file,
            content,
            buffer: vec![0; HEADER_BYTES],
        })
    }

    pub(crate) fn push(&mut self, frame: &Frame) -> Result<(), FileError> {
        self.content.note(frame.offset, self.content.len);
        self.content.len += frame.raw.len() as u64;
        self.buffer.extend_from_slice(&frame.raw);
        if SCAN_CHUNK_BYTES <= self.buffer.len() { self.write_out() } else { Ok(()) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.content.len
    }

    fn write_out(&mut self) -> Result<(), FileError> {
        let written = self.content.len - self.buffer.len() as u64;
        self.file
            .write_all_at(&self.buffer, written)
            .map_err(FileError::at("write", &self.temporary))?;
        self.buffer.clear();
        Ok(())
    }

    /// Gives the segment its name, by which the one that had it is gone.
    pub(crate) fn finish(
        mut self,
        end: u64,
        gap_before: bool,
        modified: SystemTime,
        start: u64,
    ) -> Result<Segment, FileError> {
        self.write_out()?;
        let header = Header { base: self.base, compacted_end: Some(end), gap_before };
        let path = self.dir.join(file_name(self.base));
        self.file
            .write_all_at(&header.encode(), 0)
            .map_err(FileError::at("write", &self.temporary))?;
        // Retention by age goes by this time, and rewriting the records makes none of them younger.
        self.file
            .set_modified(modified)
            .map_err(FileError::at("set the time of", &self.temporary))?;
        self.file.sync_all().map_err(FileError::at("sync", &self.temporary))?;
        std::fs::rename(&self.temporary, &path).map_err(FileError::at("replace", &path))?;
        sync_parent(&path)?;
        let file = open_file(&path)?;
        self.content.next = end;
        Ok(Segment { header, path, file, start, content: RwLock::new(self.content) })
    }

    /// Gives up, leaving everything as it was.
    pub(crate) fn abandon(self) {
        remove_quietly(&self.temporary);
    }
}

fn open_file(path: &Path) -> Result<File, FileError> {
    File::options().read(true).write(true).open(path).map_err(FileError::at("open", path))
}

fn read_header(file: &File, path: &Path) -> Result<Header, OpenError> {
    let refuse = |found: String| OpenError::Header { path: path.to_owned(), found };
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(refuse(format!("it is shorter than the {HEADER_BYTES} bytes of a header")));
        }
        Err(source) => return Err(FileError::at("read", path)(source).into()),
    }
    let header = Header::decode(&bytes).map_err(refuse)?;
    if base_of(path) != Some(header.base) {
        return Err(refuse(format!("its header says that it begins at offset {}", header.base)));
    }
    Ok(header)
}

/// Reads every frame; stops at the first bad one and says where it is and why.
fn scan(
    file: &File,
    header: Header,
    file_len: u64,
) -> io::Result<(Content, Option<(u64, BadFrame)>)> {
    let mut content = Content::empty(header.base);
    let mut frames = Frames::new(file, content.len, file_len, SCAN_CHUNK_BYTES);
    loop {
        match frames.next_frame() {
            Ok(None) => return Ok((content, None)),
            Ok(Some(frame)) => {
                let expected = content.next;
                let fits = match header.compacted_end {
                    // Compaction leaves gaps, but no record moves in front of another one.
                    Some(end) => (expected..end).contains(&frame.offset),
                    None => frame.offset == expected,
                };
                if !fits {
                    let reason = BadFrame::Offset { expected, found: frame.offset };
                    return Ok((content, Some((frame.position, reason))));
                }
                content.note(frame.offset, frame.position);
                content.next = frame.offset + 1;
                content.len += frame.raw.len() as u64;
            }
            Err(FrameError::Bad { position, reason }) => {
                return Ok((content, Some((position, reason))));
            }
            Err(FrameError::Io(source)) => return Err(source),
        }
    }
}
