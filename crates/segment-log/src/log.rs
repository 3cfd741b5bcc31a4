//! The log: a row of segments, of which the last one is appended to.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tracing::info;

use crate::error::{AppendError, FileError, OpenError, ReadError};
use crate::files::{lock_directory, remove_quietly};
use crate::frame::{FRAME_OVERHEAD, MAX_PAYLOAD, encode};
use crate::segment::{HEADER_BYTES, Header, Segment, base_of};

/// How much of a file a reader asks for at a time, at most.
const READ_CHUNK_BYTES: usize = 1 << 20;
/// How much a reader asks for beyond what it was told to return, for the records it skips to find its first.
const READ_AHEAD_BYTES: usize = 8192;

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// A segment that would grow over this is closed and the next one begun. Whole segments are what is deleted.
    pub segment_bytes: u64,
    /// The offset of the first record of a log that is made new.
    pub first_offset: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, first_offset: 0 }
    }
}

/// Records that were read, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Records with their offsets, in order. They share the memory they were read into.
    pub records: Vec<(u64, Bytes)>,
    /// The offset to read from next. With compaction it can be further than the last record's offset plus one.
    pub next_offset: u64,
}

/// An append-only log in a directory of its own, for one writer and any number of readers in one process.
///
/// Readers never wait for a writer's disk: they see a record once it has been written, and read files directly.
#[derive(Debug)]
pub struct SegmentLog {
    dir: PathBuf,
    options: Options,
    /// Held for its lock.
    _directory: File,
    /// Never empty; the last one is appended to, all others are closed.
    pub(crate) segments: RwLock<VecDeque<Arc<Segment>>>,
    writer: Mutex<Writer>,
    /// Held by whatever takes segments away or replaces them.
    pub(crate) maintenance: Mutex<()>,
    /// Base and length of the active segment as of the last sync.
    synced: Mutex<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Writer {
    frames: Vec<u8>,
    starts: Vec<usize>,
    /// A write failed and what it left could not be cut off yet.
    torn: bool,
}

impl SegmentLog {
    /// Opens the log in `dir`, making it if it is not there, and checks every record in it.
    ///
    /// An end that was not written completely is cut off and logged: a kill or a power failure leaves such an end.
    ///
    /// # Errors
    /// `Locked` if the log is open already; `Corrupt`, with file and position, for a bad record that is not at the end;
    /// `Gap` for a missing segment; `Header` for a file that is not ours or newer than this version.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.into();
        let directory = lock_directory(&dir)?;
        let mut segments = open_segments(&dir)?;
        if segments.is_empty() {
            segments.push_back(Arc::new(Segment::create(
                &dir,
                Header::plain(options.first_offset),
                0,
            )?));
        }
        Ok(Self {
            dir,
            options,
            _directory: directory,
            segments: RwLock::new(segments),
            writer: Mutex::default(),
            maintenance: Mutex::default(),
            synced: Mutex::default(),
        })
    }

    /// The directory of the log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.options.segment_bytes
    }

    /// Appends a record and says its offset. When it returns, the record outlives a kill of the process.
    ///
    /// # Errors
    /// `DiskFull` and others; then nothing was appended and the log can be used on.
    pub fn append(&self, payload: &[u8]) -> Result<u64, AppendError> {
        Ok(self.append_batch(&[payload])?.start)
    }

    /// Appends records with one write and says their offsets. Readers see all of them or none.
    ///
    /// # Errors
    /// As for [`append`](Self::append). A kill in the middle can leave the first few of them.
    pub fn append_batch(&self, payloads: &[impl AsRef<[u8]>]) -> Result<Range<u64>, AppendError> {
        if let Some(size_bytes) =
            payloads.iter().map(|it| it.as_ref().len()).find(|it| MAX_PAYLOAD < *it)
        {
            return Err(AppendError::TooLarge { size_bytes, max_bytes: MAX_PAYLOAD });
        }
        let mut writer = self.writer.lock();
        let mut active = self.active();
        if writer.torn {
            active.cut_back()?;
            writer.torn = false;
        }
        let base = active.next();
        let mut next = base;
        let Writer { frames, starts, torn } = &mut *writer;
        frames.clear();
        starts.clear();
        for payload in payloads {
            starts.push(frames.len());
            encode(frames, next, payload.as_ref());
            next += 1;
        }
        if self.options.segment_bytes < active.len() + frames.len() as u64 && !active.is_empty() {
            active =
                self.begin_segment(&active, Header::plain(base)).map_err(AppendError::from_file)?;
        }
        if let Err(error) = active.append(frames, starts) {
            *torn = active.cut_back().is_err();
            return Err(error);
        }
        // One huge batch should not hold its memory for ever.
        if READ_CHUNK_BYTES < frames.capacity() {
            *frames = Vec::new();
        }
        Ok(base..next)
    }

    /// Reads records in order, the first one at `from` or, where compaction took it, the next one there is.
    ///
    /// At least one record is returned if there is any, however large; after that, none that would go over `max_bytes`
    /// or `max_records`. At the end of the log the result is empty.
    ///
    /// # Errors
    /// `OutOfRange` for an offset that is deleted or not yet written; `Corrupt` for a record that fails its checksum.
    pub fn read(
        &self,
        from: u64,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Chunk, ReadError> {
        let mut segment = self.segment_for(from)?;
        let mut chunk = Chunk { records: Vec::new(), next_offset: from };
        let mut used_bytes = 0;
        while let Some(current) = segment {
            let wanted = max_bytes
                .saturating_sub(used_bytes)
                .saturating_add(READ_AHEAD_BYTES)
                .min(READ_CHUNK_BYTES);
            let Chunk { records, next_offset } = &mut chunk;
            let end = current.visit(*next_offset, wanted, |frame| {
                let is_over =
                    max_bytes < used_bytes + frame.payload.len() || max_records <= records.len();
                if is_over && !records.is_empty() {
                    return ControlFlow::Break(());
                }
                used_bytes += frame.payload.len();
                *next_offset = frame.offset + 1;
                records.push((frame.offset, frame.payload));
                ControlFlow::Continue(())
            })?;
            let Some(end) = end else { break };
            chunk.next_offset = chunk.next_offset.max(end.next);
            let after = self.segment_after(current.base());
            // The segment may have grown and been closed since it was looked at: what is new in it comes first.
            let has_more = after.is_some() && end.next < current.next();
            segment = if has_more { Some(current) } else { after };
        }
        Ok(chunk)
    }

    /// The offset of the oldest record, or what it would be.
    pub fn first_offset(&self) -> u64 {
        self.segments.read().front().map_or(0, |it| it.base())
    }

    /// The offset that the next record will get.
    pub fn next_offset(&self) -> u64 {
        self.active().next()
    }

    /// The size of all segments on disk.
    pub fn size_bytes(&self) -> u64 {
        self.segments.read().iter().map(|it| it.len()).sum()
    }

    /// Whether segments are closed, which is what truncation, retention and compaction work on.
    pub fn n_segments(&self) -> usize {
        self.segments.read().len()
    }

    /// What a record of this size takes on disk.
    pub fn frame_size(payload_bytes: usize) -> u64 {
        (payload_bytes + FRAME_OVERHEAD) as u64
    }

    /// Bytes written since the log was opened and before, up to its end: the scale of [`position_of`](Self::position_of).
    pub fn end_position(&self) -> u64 {
        let active = self.active();
        active.start + active.frame_bytes()
    }

    /// Where the record of `offset` begins, or the next one there is, counted in bytes of records. Only differences
    /// between two positions mean something.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn position_of(&self, offset: u64) -> Result<u64, ReadError> {
        let Some(segment) = self.segment_for(offset)? else { return Ok(self.end_position()) };
        let mut found = None;
        let end = segment.visit(offset, READ_AHEAD_BYTES, |frame| {
            found = Some(frame.position - HEADER_BYTES as u64);
            ControlFlow::Break(())
        })?;
        Ok(segment.start + found.or(end.map(|it| it.frame_bytes)).unwrap_or(0))
    }

    /// Makes everything appended before the call survive a power failure.
    ///
    /// A segment that is nearly full is closed here, so that an append seldom has to do it and wait for the disk.
    ///
    /// # Errors
    /// The step that failed. What was appended is then still there for this and every later process of this machine.
    pub fn sync(&self) -> Result<(), FileError> {
        self.sync_active()?;
        if self.options.segment_bytes / 4 * 3 < self.active().len() { self.roll() } else { Ok(()) }
    }

    fn sync_active(&self) -> Result<(), FileError> {
        // Closed segments were synced when they were closed.
        let active = self.active();
        let state = (active.base(), active.len());
        let mut synced = self.synced.lock();
        if *synced != state {
            active.sync()?;
            *synced = state;
        }
        Ok(())
    }

    /// Closes the active segment, if it holds anything, and begins the next one.
    ///
    /// # Errors
    /// The step that failed; the active segment then stays what it was.
    pub fn roll(&self) -> Result<(), FileError> {
        // Most of the work, before appending has to wait.
        self.sync_active()?;
        let _writer = self.writer.lock();
        let active = self.active();
        if !active.is_empty() {
            self.begin_segment(&active, Header::plain(active.next()))?;
        }
        Ok(())
    }

    /// Goes on at a larger offset, leaving out those up to it. Says nothing if the log is already there.
    ///
    /// # Errors
    /// The step that failed; the log then goes on where it was.
    pub fn skip_to(&self, offset: u64) -> Result<(), FileError> {
        let _writer = self.writer.lock();
        let active = self.active();
        if active.next() < offset {
            self.begin_segment(
                &active,
                Header { base: offset, compacted_end: None, gap_before: true },
            )?;
        }
        Ok(())
    }

    /// Deletes the segments that hold nothing but records before `offset`; never the one that is appended to.
    ///
    /// # Errors
    /// The file that could not be removed; it and all after it are still part of the log.
    pub fn truncate_before(&self, offset: u64) -> Result<(), FileError> {
        let guard = self.maintenance.lock();
        self.drop_while(&guard, |_, following| Ok(following.base() <= offset))?;
        Ok(())
    }

    /// Deletes the oldest segments as long as the rest is larger than `max_bytes`, and those last written before
    /// `older_than`; says how many. The segment that is appended to counts, but goes only by age.
    ///
    /// # Errors
    /// The step that failed; what was not deleted is still part of the log.
    pub fn expire(
        &self,
        max_bytes: Option<u64>,
        older_than: Option<SystemTime>,
    ) -> Result<usize, FileError> {
        let active = self.active();
        if let Some(limit) = older_than
            && !active.is_empty()
            && active.modified()? < limit
        {
            self.roll()?;
        }
        let guard = self.maintenance.lock();
        let mut left_bytes = self.size_bytes();
        self.drop_while(&guard, |segment, _| {
            let is_old = match older_than {
                Some(limit) => segment.modified()? < limit,
                None => false,
            };
            let is_over = max_bytes.is_some_and(|max| max < left_bytes);
            left_bytes -= segment.len();
            Ok(is_old || is_over)
        })
    }

    /// Deletes segments from the oldest on while `condition`, asked with the segment and its follower, holds.
    fn drop_while(
        &self,
        _maintenance: &MutexGuard<'_, ()>,
        mut condition: impl FnMut(&Segment, &Segment) -> Result<bool, FileError>,
    ) -> Result<usize, FileError> {
        let mut n_dropped = 0;
        loop {
            let (oldest, following) = {
                let segments = self.segments.read();
                match (segments.front(), segments.get(1)) {
                    (Some(oldest), Some(following)) => (Arc::clone(oldest), Arc::clone(following)),
                    _ => return Ok(n_dropped),
                }
            };
            if !condition(&oldest, &following)? {
                return Ok(n_dropped);
            }
            // Oldest first, so that a kill in between leaves no gap. A reader of it has it open.
            oldest.remove()?;
            self.segments.write().pop_front();
            n_dropped += 1;
        }
    }

    fn active(&self) -> Arc<Segment> {
        let segments = self.segments.read();
        Arc::clone(segments.back().expect(
            "a log has a segment from when it is opened, and the last one is never dropped",
        ))
    }

    /// Begins the next segment; the caller holds the writer's lock.
    fn begin_segment(&self, active: &Segment, header: Header) -> Result<Arc<Segment>, FileError> {
        // Before there is a next one: only the last segment may have an end that a power failure cut off.
        active.sync()?;
        let segment =
            Arc::new(Segment::create(&self.dir, header, active.start + active.frame_bytes())?);
        self.segments.write().push_back(Arc::clone(&segment));
        Ok(segment)
    }

    /// The segment to read from for this offset; `None` at the end of the log.
    fn segment_for(&self, offset: u64) -> Result<Option<Arc<Segment>>, ReadError> {
        let segments = self.segments.read();
        let first = segments.front().map_or(0, |it| it.base());
        let next = segments.back().map_or(0, |it| it.next());
        if offset < first || next < offset {
            return Err(ReadError::OutOfRange { asked: offset, first, next });
        }
        let after = segments.partition_point(|it| it.base() <= offset);
        Ok(segments.get(after - 1).cloned())
    }

    fn segment_after(&self, base: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        segments.get(segments.partition_point(|it| it.base() <= base)).cloned()
    }
}

/// Opens the segments of a directory in order and checks that they follow one another.
fn open_segments(dir: &Path) -> Result<VecDeque<Arc<Segment>>, OpenError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(FileError::at("list", dir))? {
        let path = entry.map_err(FileError::at("list", dir))?.path();
        if path.extension().is_some_and(|it| it == "tmp") {
            // Something that a kill kept from being finished; it was never part of the log.
            remove_quietly(&path);
        } else if let Some(base) = base_of(&path) {
            paths.push((base, path));
        }
    }
    paths.sort();
    let mut segments: VecDeque<Arc<Segment>> = VecDeque::new();
    let last_base = paths.last().map(|it| it.0);
    for (base, path) in paths {
        let mut start = 0;
        if let Some(previous) = segments.back() {
            start = previous.start + previous.frame_bytes();
            if base < previous.next() && previous.header.compacted_end.is_some() {
                info!(segment = %path.display(), "segment removed, as a compacted one took its place");
                remove_quietly(&path);
                continue;
            }
        }
        let segment = Segment::open(path, Some(base) == last_base, start)?;
        if let Some(previous) = segments.back() {
            let expected = previous.next();
            let follows = base == expected || (segment.header.gap_before && expected < base);
            if !follows {
                return Err(OpenError::Gap { path: segment.path.clone(), expected, found: base });
            }
        }
        segments.push_back(Arc::new(segment));
    }
    Ok(segments)
}
