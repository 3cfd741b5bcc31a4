//! The container that models, detectors and whatever else is trained are stored in.
//!
//! ```text
//! magic (8 bytes) | format version u32 | header length u32 | header, JSON | sections … | CRC-32 u32
//! ```
//!
//! Numbers are little-endian. The header says the artefact's [kind], names each section with its element type
//! and count, and carries a `body` that belongs to the kind: `head -c 2000 FILE` shows what a file is. Each
//! section starts at a multiple of 8 bytes. The checksum covers everything before it.
//!
//! A reader first asks for the magic and the version, so that a file of a newer program is called newer and
//! not corrupt, then for the length and the checksum, and only then uses the header.
//!
//! This crate knows no content: what a section means is up to the crate that writes it, and where the bytes
//! are kept is up to the caller. Start at [`ArtefactWriter`] and [`ArtefactReader`].

#![warn(missing_docs)]

mod error;
pub mod kind;
mod layout;
mod reader;
mod section;
mod writer;

pub use error::ArtefactError;
pub use layout::FORMAT_VERSION;
pub use reader::ArtefactReader;
pub use section::SectionData;
pub use writer::ArtefactWriter;
