//! Where things lie in an artefact; the writer and the reader agree here.

use serde::{Deserialize, Serialize};

use crate::section::Element;

/// Neither text nor a name of any other format, and changed by what mangles line ends.
pub(crate) const MAGIC: [u8; 8] = *b"\x89SLA\r\n\x1a\n";
/// The version this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Each section starts at a multiple of this many bytes.
pub(crate) const ALIGNMENT: usize = 8;
/// Magic, format version and length of the header.
pub(crate) const PREFIX_BYTES: usize = 16;
pub(crate) const CHECKSUM_BYTES: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SectionEntry {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) count: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<B> {
    pub(crate) kind: String,
    pub(crate) sections: Vec<SectionEntry>,
    pub(crate) body: B,
}

/// Where the last section ends; `usize::MAX` when that is beyond any file.
pub(crate) fn sections_end(header_end: usize, entries: &[SectionEntry]) -> usize {
    entries
        .iter()
        .try_fold(header_end, |at, entry| {
            let size_bytes = entry.count.checked_mul(entry.element.size_bytes())?;
            at.checked_next_multiple_of(ALIGNMENT)?.checked_add(size_bytes)
        })
        .unwrap_or(usize::MAX)
}
