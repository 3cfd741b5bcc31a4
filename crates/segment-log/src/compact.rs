//! Compaction: closed segments rewritten without the records that are superseded.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{FileError, ReadError};
use crate::log::SegmentLog;
use crate::segment::{Replacement, Segment};

const CHUNK_BYTES: usize = 1 << 20;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    pub n_kept: u64,
    pub n_dropped: u64,
}

impl SegmentLog {
    /// Rewrites all closed segments, keeping the records for which `keep` says so; those that remain keep their
    /// offsets. Appending and reading go on meanwhile.
    ///
    /// A kill in the middle leaves each segment either as it was or compacted.
    ///
    /// # Errors
    /// What could not be read or written; the segments not yet replaced are as they were.
    pub fn compact(
        &self,
        mut keep: impl FnMut(u64, &Bytes) -> bool,
    ) -> Result<Compacted, ReadError> {
        let _maintenance = self.maintenance.lock();
        let mut closed: Vec<Arc<Segment>> = self.segments.read().iter().cloned().collect();
        closed.pop();
        let mut counts = Compacted::default();
        let mut rest = closed.as_slice();
        while !rest.is_empty() {
            let n_taken = self.compact_some(rest, &mut keep, &mut counts)?;
            rest = &rest[n_taken..];
        }
        Ok(counts)
    }

    /// Puts one segment of about the usual size in the place of the first few of `closed`; says how many those were.
    fn compact_some(
        &self,
        closed: &[Arc<Segment>],
        keep: &mut impl FnMut(u64, &Bytes) -> bool,
        counts: &mut Compacted,
    ) -> Result<usize, ReadError> {
        let first = &closed[0];
        let mut replacement = Replacement::create(self.dir(), first.base())?;
        let mut n_taken = 0;
        let copied = closed.iter().try_for_each(|segment| {
            if 0 < n_taken && self.segment_bytes() <= replacement.len() {
                return Ok(());
            }
            n_taken += 1;
            copy_kept(segment, &mut replacement, keep, counts)
        });
        if let Err(error) = copied {
            replacement.abandon();
            return Err(error);
        }
        let taken = &closed[..n_taken];
        let last = &closed[n_taken - 1];
        let modified = last.modified()?;
        let merged =
            replacement.finish(last.next(), first.header.gap_before, modified, first.start)?;
        self.put_in_place(taken, merged)?;
        Ok(n_taken)
    }

    fn put_in_place(&self, taken: &[Arc<Segment>], merged: Segment) -> Result<(), FileError> {
        {
            let mut segments = self.segments.write();
            let at = segments.partition_point(|it| it.base() < merged.base());
            segments.drain(at..at + taken.len());
            segments.insert(at, Arc::new(merged));
        }
        // The first one's file has gone already, by the new one taking its name. Opening removes what a kill leaves here.
        taken[1..].iter().try_for_each(|it| it.remove())
    }
}

fn copy_kept(
    segment: &Segment,
    replacement: &mut Replacement,
    keep: &mut impl FnMut(u64, &Bytes) -> bool,
    counts: &mut Compacted,
) -> Result<(), ReadError> {
    let mut written = Ok(());
    segment.visit(segment.base(), CHUNK_BYTES, |frame| {
        if !keep(frame.offset, &frame.payload) {
            counts.n_dropped += 1;
            return ControlFlow::Continue(());
        }
        counts.n_kept += 1;
        written = replacement.push(&frame);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(written?)
}
