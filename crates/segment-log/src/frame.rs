//! One record on disk.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | CRC-32 (IEEE) of everything after it |
//! | 4 | length of the payload |
//! | 8 | offset |
//! | length | payload |
//!
//! Numbers are little endian.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

/// What a frame adds to its payload.
pub(crate) const FRAME_OVERHEAD: usize = 16;
/// The largest payload: half of what the length field could say, so that sizes never overflow.
pub(crate) const MAX_PAYLOAD: usize = i32::MAX as usize - FRAME_OVERHEAD;

/// Why bytes on disk are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    #[error("a record of {needed} bytes is cut off after {found} bytes")]
    CutShort { needed: u64, found: u64 },
    #[error("checksum {found:08x} where the content gives {expected:08x}")]
    Checksum { expected: u32, found: u32 },
    #[error("record of offset {found} where {expected} was expected")]
    Offset { expected: u64, found: u64 },
}

/// Appends the frame of a record to `buffer`. The payload is at most [`MAX_PAYLOAD`] long.
pub(crate) fn encode(buffer: &mut Vec<u8>, offset: u64, payload: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the caller refuses payloads over MAX_PAYLOAD"
    )]
    buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&offset.to_le_bytes());
    buffer.extend_from_slice(payload);
    let crc = crc32fast::hash(&buffer[start + 4..]);
    buffer[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A frame that was read and checked.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Where in the file it begins.
    pub(crate) position: u64,
    pub(crate) offset: u64,
    pub(crate) payload: Bytes,
    /// The frame as it is on disk.
    pub(crate) raw: Bytes,
}

/// Why the next frame could not be read.
#[derive(Debug)]
pub(crate) enum FrameError {
    Bad { position: u64, reason: BadFrame },
    Io(io::Error),
}

/// Reads the frames of a part of a file one after the other, a chunk of the file at a time.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk_bytes: usize,
    buffer: Bytes,
}

impl<'a> Frames<'a> {
    /// Begins at `position`, where a frame starts, and ends at `end`, where one has ended.
    pub(crate) fn new(file: &'a File, position: u64, end: u64, chunk_bytes: usize) -> Self {
        Self { file, position, end, chunk_bytes, buffer: Bytes::new() }
    }

    /// Reads the next frame; `None` at the end.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.position == self.end {
            return Ok(None);
        }
        self.want(FRAME_OVERHEAD)?;
        let size = FRAME_OVERHEAD + u32_at(&self.buffer, 4) as usize;
        self.want(size)?;
        let position = self.position;
        let expected = crc32fast::hash(&self.buffer[4..size]);
        let found = u32_at(&self.buffer, 0);
        if expected != found {
            return Err(FrameError::Bad {
                position,
                reason: BadFrame::Checksum { expected, found },
            });
        }
        let raw = self.buffer.split_to(size);
        self.position += size as u64;
        Ok(Some(Frame {
            position,
            offset: u64_at(&raw, 8),
            payload: raw.slice(FRAME_OVERHEAD..),
            raw,
        }))
    }

    /// Sees to it that the buffer holds at least the next `needed` bytes.
    fn want(&mut self, needed: usize) -> Result<(), FrameError> {
        if needed <= self.buffer.len() {
            return Ok(());
        }
        let left = self.end - self.position;
        if left < needed as u64 {
            let reason = BadFrame::CutShort { needed: needed as u64, found: left };
            return Err(FrameError::Bad { position: self.position, reason });
        }
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk_bytes.max(needed));
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, self.position).map_err(FrameError::Io)?;
        self.buffer = bytes.into();
        Ok(())
    }
}

/// Reads a little-endian number; the caller has checked that the bytes are there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Reads a little-endian number; the caller has checked that the bytes are there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
