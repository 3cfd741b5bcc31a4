use serde::{Deserialize, Serialize};

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
    pub(crate) fn element(&self) -> Element {
        match self {
            Self::U16(_) => Element::U16,
            Self::U32(_) => Element::U32,
            Self::F32(_) => Element::F32,
            Self::F64(_) => Element::F64,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
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
pub(crate) enum Element {
    U16,
    U32,
    F32,
    F64,
}

impl Element {
    pub(crate) const fn size_bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    pub(crate) fn read(self, bytes: &[u8]) -> SectionData {
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
