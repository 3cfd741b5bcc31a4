//! The file format that every trained artefact shares.
//!
//! ```text
//! magic (8 bytes) | format version u32 | header length u32 | header, JSON | sections … | CRC-32 u32
//! ```
//!
//! Numbers are little-endian. The header says the artefact's kind, names each section with its element type
//! and count, and carries a `body` that belongs to the kind: `head -c 2000 FILE` shows what a file is. Each
//! section starts at a multiple of 8 bytes. The checksum covers everything before it.
//!
//! A reader first asks for the magic and the version, so that a file of a newer program is called newer and
//! not damaged, then for the length and the checksum, and only then believes a word of the header.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

const MAGIC: [u8; 8] = *b"\x89SLA\r\n\x1a\n";
/// The version this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
const ALIGNMENT: usize = 8;
const PREFIX_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// Why bytes are not an artefact that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// The file is something else.
    #[error("not a Shadowline artefact: its first bytes are not the format's mark")]
    Magic,
    /// The file is of a program after this one.
    #[error("artefact format {found} is newer than this program, which reads up to {supported}")]
    Newer {
        /// The version the file names.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The file ends early, or goes on after its end.
    #[error(
        "artefact is {got_bytes} bytes; {expected_bytes} expected: it was cut short or added to"
    )]
    Length {
        /// The bytes that the file should have, as far as is known.
        expected_bytes: usize,
        /// The bytes it has.
        got_bytes: usize,
    },
    /// Some byte has changed since the file was written.
    #[error("artefact is damaged: checksum {found:08x} in the file, {computed:08x} computed")]
    Checksum {
        /// The checksum in the file.
        found: u32,
        /// The checksum of what is in the file.
        computed: u32,
    },
    /// The header is not what this kind of artefact has.
    #[error("artefact header cannot be read")]
    Header(#[source] serde_json::Error),
    /// The artefact is of another kind, for example a forest where a target model was expected.
    #[error("artefact is a `{found}`; `{expected}` expected")]
    Kind {
        /// The kind in the file.
        found: String,
        /// The kind, or kinds, asked for.
        expected: String,
    },
    /// A section is missing or has another element type.
    #[error("artefact has no section `{name}` of {expected}")]
    Section {
        /// The section's name.
        name: String,
        /// The element type asked for.
        expected: &'static str,
    },
    /// The parts are intact but contradict each other.
    #[error("artefact is inconsistent: {0}")]
    Inconsistent(String),
}

/// Numbers of one section.
#[derive(Debug, Clone, PartialEq)]
pub enum SectionData {
    /// Unsigned, 16 bits.
    U16(Vec<u16>),
    /// Unsigned, 32 bits.
    U32(Vec<u32>),
    /// IEEE 754 binary32.
    F32(Vec<f32>),
    /// IEEE 754 binary64.
    F64(Vec<f64>),
}

impl SectionData {
    fn element(&self) -> Element {
        match self {
            Self::U16(_) => Element::U16,
            Self::U32(_) => Element::U32,
            Self::F32(_) => Element::F32,
            Self::F64(_) => Element::F64,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::U16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U16(values) => {
                values.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()))
            }
            Self::U32(values) => {
                values.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()))
            }
            Self::F32(values) => {
                values.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()))
            }
            Self::F64(values) => {
                values.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Element {
    U16,
    U32,
    F32,
    F64,
}

impl Element {
    const fn size_bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn read(self, bytes: &[u8]) -> SectionData {
        match self {
            Self::U16 => SectionData::U16(elements(bytes).map(u16::from_le_bytes).collect()),
            Self::U32 => SectionData::U32(elements(bytes).map(u32::from_le_bytes).collect()),
            Self::F32 => SectionData::F32(elements(bytes).map(f32::from_le_bytes).collect()),
            Self::F64 => SectionData::F64(elements(bytes).map(f64::from_le_bytes).collect()),
        }
    }
}

fn elements<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

#[derive(Debug, Serialize, Deserialize)]
struct SectionEntry {
    name: String,
    element: Element,
    count: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header<B> {
    kind: String,
    sections: Vec<SectionEntry>,
    body: B,
}

/// Puts an artefact together; [`ArtefactWriter::finish`] gives its bytes.
#[derive(Debug)]
pub struct ArtefactWriter {
    kind: String,
    sections: Vec<(String, SectionData)>,
}

impl ArtefactWriter {
    /// Starts an artefact of a kind.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), sections: Vec::new() }
    }

    /// Adds a section; its name must be new.
    pub fn section(mut self, name: impl Into<String>, data: SectionData) -> Self {
        self.sections.push((name.into(), data));
        self
    }

    /// Writes the artefact with the body that its kind has.
    ///
    /// # Errors
    /// [`ArtefactError::Header`] if the body cannot be written as JSON; [`ArtefactError::Inconsistent`] if
    /// the header is longer than 4 GiB.
    pub fn finish(&self, body: &impl Serialize) -> Result<Vec<u8>, ArtefactError> {
        let sections = self
            .sections
            .iter()
            .map(|(name, data)| SectionEntry {
                name: name.clone(),
                element: data.element(),
                count: data.len(),
            })
            .collect();
        let header = serde_json::to_vec(&Header { kind: self.kind.clone(), sections, body })
            .map_err(ArtefactError::Header)?;
        let header_len = u32::try_from(header.len()).map_err(|_| {
            ArtefactError::Inconsistent(format!("a header of {} bytes", header.len()))
        })?;
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&header_len.to_le_bytes());
        out.extend_from_slice(&header);
        for (_, data) in &self.sections {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            data.write(&mut out);
        }
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        Ok(out)
    }
}

/// An intact artefact, taken apart.
#[derive(Debug)]
pub struct ArtefactReader {
    kind: String,
    body: serde_json::Value,
    sections: Vec<(String, SectionData)>,
}

impl ArtefactReader {
    /// Reads an artefact and checks that it is whole.
    ///
    /// # Errors
    /// Every variant of [`ArtefactError`] but `Kind` and `Section`.
    pub fn new(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let got_bytes = bytes.len();
        let magic = &bytes[..got_bytes.min(MAGIC.len())];
        if magic != &MAGIC[..magic.len()] {
            return Err(ArtefactError::Magic);
        }
        let too_short = |expected_bytes| ArtefactError::Length { expected_bytes, got_bytes };
        let version = read_u32(bytes, 8).ok_or_else(|| too_short(PREFIX_BYTES + CHECKSUM_BYTES))?;
        if FORMAT_VERSION < version {
            return Err(ArtefactError::Newer { found: version, supported: FORMAT_VERSION });
        }
        let header_len =
            read_u32(bytes, 12).ok_or_else(|| too_short(PREFIX_BYTES + CHECKSUM_BYTES))? as usize;
        let header_end = PREFIX_BYTES.saturating_add(header_len);
        let shortest = header_end.saturating_add(CHECKSUM_BYTES);
        if got_bytes < shortest {
            return Err(too_short(shortest));
        }
        let (content, checksum) = bytes.split_at(got_bytes - CHECKSUM_BYTES);
        let header =
            serde_json::from_slice::<Header<serde_json::Value>>(&content[PREFIX_BYTES..header_end]);
        // The header knows how long the file should be. A damaged header cannot be believed, but then the
        // checksum is wrong as well, and says so below.
        if let Ok(header) = &header {
            let expected_bytes =
                sections_end(header_end, &header.sections).saturating_add(CHECKSUM_BYTES);
            if got_bytes < expected_bytes {
                return Err(too_short(expected_bytes));
            }
        }
        let found = read_u32(checksum, 0).unwrap_or_default();
        let computed = crc32fast::hash(content);
        if found != computed {
            return Err(ArtefactError::Checksum { found, computed });
        }
        if version == 0 {
            return Err(ArtefactError::Inconsistent("format version 0".to_owned()));
        }
        let Header { kind, sections: entries, body } = header.map_err(ArtefactError::Header)?;
        let expected_bytes = sections_end(header_end, &entries).saturating_add(CHECKSUM_BYTES);
        if got_bytes != expected_bytes {
            return Err(ArtefactError::Length { expected_bytes, got_bytes });
        }
        let mut sections: Vec<(String, SectionData)> = Vec::with_capacity(entries.len());
        let mut at = header_end;
        for SectionEntry { name, element, count } in entries {
            if sections.iter().any(|(other, _)| *other == name) {
                return Err(ArtefactError::Inconsistent(format!(
                    "two sections are named `{name}`"
                )));
            }
            let start = at.next_multiple_of(ALIGNMENT);
            at = start + count * element.size_bytes();
            sections.push((name, element.read(&content[start..at])));
        }
        Ok(Self { kind, body, sections })
    }

    /// The artefact's kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Refuses an artefact of another kind.
    ///
    /// # Errors
    /// [`ArtefactError::Kind`].
    pub fn expect_kind(&self, expected: &str) -> Result<(), ArtefactError> {
        if self.kind == expected {
            return Ok(());
        }
        Err(ArtefactError::Kind { found: self.kind.clone(), expected: expected.to_owned() })
    }

    /// Reads the part of the header that belongs to the kind.
    ///
    /// # Errors
    /// [`ArtefactError::Header`] if it is not a `B`.
    pub fn body<B: DeserializeOwned>(&self) -> Result<B, ArtefactError> {
        B::deserialize(&self.body).map_err(ArtefactError::Header)
    }

    /// Takes a section of 16-bit numbers out.
    ///
    /// # Errors
    /// [`ArtefactError::Section`] if there is none of this name and type.
    pub fn take_u16(&mut self, name: &str) -> Result<Vec<u16>, ArtefactError> {
        match self.take(name) {
            Some(SectionData::U16(values)) => Ok(values),
            _ => Err(ArtefactError::Section { name: name.to_owned(), expected: "u16" }),
        }
    }

    /// Takes a section of 32-bit numbers out.
    ///
    /// # Errors
    /// [`ArtefactError::Section`] if there is none of this name and type.
    pub fn take_u32(&mut self, name: &str) -> Result<Vec<u32>, ArtefactError> {
        match self.take(name) {
            Some(SectionData::U32(values)) => Ok(values),
            _ => Err(ArtefactError::Section { name: name.to_owned(), expected: "u32" }),
        }
    }

    /// Takes a section of 32-bit floats out.
    ///
    /// # Errors
    /// [`ArtefactError::Section`] if there is none of this name and type.
    pub fn take_f32(&mut self, name: &str) -> Result<Vec<f32>, ArtefactError> {
        match self.take(name) {
            Some(SectionData::F32(values)) => Ok(values),
            _ => Err(ArtefactError::Section { name: name.to_owned(), expected: "f32" }),
        }
    }

    /// Takes a section of 64-bit floats out.
    ///
    /// # Errors
    /// [`ArtefactError::Section`] if there is none of this name and type.
    pub fn take_f64(&mut self, name: &str) -> Result<Vec<f64>, ArtefactError> {
        match self.take(name) {
            Some(SectionData::F64(values)) => Ok(values),
            _ => Err(ArtefactError::Section { name: name.to_owned(), expected: "f64" }),
        }
    }

    fn take(&mut self, name: &str) -> Option<SectionData> {
        let idx = self.sections.iter().position(|(it, _)| it == name)?;
        Some(self.sections.swap_remove(idx).1)
    }
}

/// Where the last section ends; `usize::MAX` when that is beyond any file.
fn sections_end(header_end: usize, entries: &[SectionEntry]) -> usize {
    entries
        .iter()
        .try_fold(header_end, |at, entry| {
            let size_bytes = entry.count.checked_mul(entry.element.size_bytes())?;
            at.checked_next_multiple_of(ALIGNMENT)?.checked_add(size_bytes)
        })
        .unwrap_or(usize::MAX)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artefact() -> Vec<u8> {
        ArtefactWriter::new("example")
            .section("a", SectionData::U16(vec![1, 2, 3]))
            .section("b", SectionData::F64(vec![0.1, f64::MIN_POSITIVE, -1e300]))
            .section("c", SectionData::U32(vec![]))
            .section("d", SectionData::F32(vec![0.5]))
            .finish(&("body", 0.1 + 0.2))
            .unwrap()
    }

    #[test]
    fn a_round_trip_is_exact() {
        let mut reader = ArtefactReader::new(&artefact()).unwrap();
        assert_eq!(reader.kind(), "example");
        assert_eq!(reader.body::<(String, f64)>().unwrap(), ("body".to_owned(), 0.1 + 0.2));
        assert_eq!(reader.take_u16("a").unwrap(), [1, 2, 3]);
        assert_eq!(reader.take_f64("b").unwrap(), [0.1, f64::MIN_POSITIVE, -1e300]);
        assert!(reader.take_u32("c").unwrap().is_empty());
        assert_eq!(reader.take_f32("d").unwrap(), [0.5]);
        assert!(matches!(reader.take_f32("d"), Err(ArtefactError::Section { .. })));
    }

    #[test]
    fn every_truncation_is_called_one() {
        let whole = artefact();
        for len in 0..whole.len() {
            let error = ArtefactReader::new(&whole[..len]).unwrap_err();
            assert!(matches!(error, ArtefactError::Length { .. }), "{len} bytes: {error}");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let whole = artefact();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            ArtefactReader::new(&damaged).unwrap_err();
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut longer = artefact();
        longer.push(0);
        assert!(matches!(ArtefactReader::new(&longer), Err(ArtefactError::Checksum { .. })));
    }

    #[test]
    fn a_newer_format_is_called_newer() {
        let mut newer = artefact();
        newer[8] = 2;
        let error = ArtefactReader::new(&newer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "artefact format 2 is newer than this program, which reads up to 1"
        );
    }

    #[test]
    fn another_file_is_called_another_file() {
        assert!(matches!(
            ArtefactReader::new(b"PK\x03\x04 a zip archive"),
            Err(ArtefactError::Magic)
        ));
    }

    #[test]
    fn a_count_beyond_the_file_is_refused_with_a_right_checksum() {
        for count in [4_usize, usize::MAX, usize::MAX / 8] {
            let header = format!(
                r#"{{"kind":"example","sections":[{{"name":"a","element":"f64","count":{count}}}],"body":0}}"#
            );
            let mut crafted = MAGIC.to_vec();
            crafted.extend_from_slice(&1u32.to_le_bytes());
            crafted.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
            crafted.extend_from_slice(header.as_bytes());
            let checksum = crc32fast::hash(&crafted);
            crafted.extend_from_slice(&checksum.to_le_bytes());
            assert!(matches!(ArtefactReader::new(&crafted), Err(ArtefactError::Length { .. })));
        }
    }
}
