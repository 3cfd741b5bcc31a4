use serde::Serialize;

use crate::{
    ArtefactError, SectionData,
    layout::{ALIGNMENT, FORMAT_VERSION, Header, MAGIC, SectionEntry},
};

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
