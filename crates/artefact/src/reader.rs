use serde::de::DeserializeOwned;

use crate::{
    ArtefactError, SectionData,
    layout::{
        ALIGNMENT, CHECKSUM_BYTES, FORMAT_VERSION, Header, MAGIC, PREFIX_BYTES, SectionEntry,
        sections_end,
    },
};

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
        // The header knows how long the file should be. A corrupt header cannot be used, but then the
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

    /// Refuses an artefact of none of these kinds, and says of which it is.
    ///
    /// # Errors
    /// [`ArtefactError::Kind`] names all that were expected.
    pub fn expect_one_of(&self, expected: &[&'static str]) -> Result<&'static str, ArtefactError> {
        expected.iter().copied().find(|it| *it == self.kind).ok_or_else(|| ArtefactError::Kind {
            found: self.kind.clone(),
            expected: expected.join("` or `"),
        })
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

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
