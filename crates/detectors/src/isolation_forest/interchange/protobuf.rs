//! The wire format of protocol buffers, as much of it as ONNX needs: nothing is copied, and no length that a
//! message states is believed before the bytes are there.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use super::OnnxForestError;

/// The bytes of one message, and where they start in the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    start: usize,
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The field's number in the schema.
    pub(super) number: u64,
    value: Value<'a>,
    start: usize,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(Message<'a>),
}

fn corrupt<T>(at: usize, what: &'static str) -> Result<T, OnnxForestError> {
    Err(OnnxForestError::Corrupt { at, what })
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0 }
    }

    /// Takes the next field off the front; none at the end.
    pub(super) fn next_field(&mut self) -> Result<Option<Field<'a>>, OnnxForestError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let start = self.start;
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.fixed32()?),
            _ => return corrupt(start, "a field of an unknown kind"),
        };
        Ok(Some(Field { number: tag >> 3, value, start }))
    }

    fn take(&mut self, length: usize) -> Result<Self, OnnxForestError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return corrupt(self.start, "a field goes on after the end");
        };
        let taken = Self { bytes: taken, start: self.start };
        *self = Self { bytes: rest, start: self.start + length };
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, OnnxForestError> {
        let mut value = 0_u64;
        for (byte_idx, byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * byte_idx);
            if byte & 0x80 == 0 {
                *self =
                    Self { bytes: &self.bytes[byte_idx + 1..], start: self.start + byte_idx + 1 };
                return Ok(value);
            }
        }
        corrupt(self.start, "a number has no end")
    }

    fn fixed32(&mut self) -> Result<u32, OnnxForestError> {
        let bytes = self.take(4)?.bytes;
        let mut value = [0; 4];
        value.copy_from_slice(bytes);
        Ok(u32::from_le_bytes(value))
    }
}

impl<'a> Field<'a> {
    pub(super) fn message(&self) -> Result<Message<'a>, OnnxForestError> {
        match self.value {
            Value::Bytes(message) => Ok(message),
            Value::Varint(_) | Value::Fixed32(_) | Value::Fixed64 => {
                corrupt(self.start, "a number where a message is expected")
            }
        }
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], OnnxForestError> {
        Ok(self.message()?.bytes)
    }

    pub(super) fn text(&self) -> Result<&'a str, OnnxForestError> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => corrupt(self.start, "text that is not UTF-8"),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, OnnxForestError> {
        match self.value {
            Value::Varint(value) => Ok(value.cast_signed()),
            Value::Fixed32(_) | Value::Fixed64 | Value::Bytes(_) => {
                corrupt(self.start, "something else where an integer is expected")
            }
        }
    }

    /// Adds the integers of a repeated field, which come one by one or together.
    pub(super) fn integers(&self, into: &mut Vec<i64>) -> Result<(), OnnxForestError> {
        let Value::Bytes(mut packed) = self.value else {
            into.push(self.integer()?);
            return Ok(());
        };
        while !packed.bytes.is_empty() {
            into.push(packed.varint()?.cast_signed());
        }
        Ok(())
    }

    /// Adds the 32-bit floats of a repeated field, which come one by one or together.
    pub(super) fn floats(&self, into: &mut Vec<f32>) -> Result<(), OnnxForestError> {
        match self.value {
            Value::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Value::Bytes(mut packed) => {
                while !packed.bytes.is_empty() {
                    into.push(f32::from_bits(packed.fixed32()?));
                }
            }
            Value::Varint(_) | Value::Fixed64 => {
                return corrupt(self.start, "something else where floats are expected");
            }
        }
        Ok(())
    }
}

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    fn varint(&mut self, mut value: u64) {
        while 0x80 <= value {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn integer(&mut self, number: u64, value: i64) {
        self.varint(number << 3);
        self.varint(value.cast_unsigned());
    }

    pub(super) fn float(&mut self, number: u64, value: f32) {
        self.varint(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u64, value: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    pub(super) fn text(&mut self, number: u64, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// Adds a message as a field, as `write` fills it.
    pub(super) fn message(&mut self, number: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(number, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_written() {
        let mut writer = Writer::default();
        writer.integer(1, -2);
        writer.float(2, 0.5);
        writer.message(300, |inner| inner.text(1, "leaf"));
        let bytes = writer.into_bytes();
        let mut message = Message::new(&bytes);
        assert_eq!(message.next_field().unwrap().unwrap().integer().unwrap(), -2);
        let mut floats = Vec::new();
        message.next_field().unwrap().unwrap().floats(&mut floats).unwrap();
        assert_eq!(floats, [0.5]);
        let field = message.next_field().unwrap().unwrap();
        assert_eq!(field.number, 300);
        let text = field.message().unwrap().next_field().unwrap().unwrap();
        assert_eq!(text.text().unwrap(), "leaf");
        assert!(message.next_field().unwrap().is_none());
    }

    #[track_caller]
    fn check_corrupt(bytes: &[u8], expected: &str) {
        let error = Message::new(bytes).next_field().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let no_protobuf = |at, what| format!("byte {at} is not as ONNX has it: {what}");
        check_corrupt(&[0x0a, 5, 1], &no_protobuf(2, "a field goes on after the end"));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        check_corrupt(&huge, &no_protobuf(11, "a field goes on after the end"));
        check_corrupt(&[0x08, 0x80], &no_protobuf(1, "a number has no end"));
        check_corrupt(&[0x80; 20], &no_protobuf(0, "a number has no end"));
        check_corrupt(&[0x0b], &no_protobuf(0, "a field of an unknown kind"));
    }

    #[test]
    fn packed_and_single_numbers_are_read_alike() {
        for bytes in [&[0x0a, 3, 1, 0x96, 1][..], &[0x08, 1, 0x08, 0x96, 1]] {
            let mut message = Message::new(bytes);
            let mut integers = Vec::new();
            while let Some(field) = message.next_field().unwrap() {
                field.integers(&mut integers).unwrap();
            }
            assert_eq!(integers, [1, 150]);
        }
    }
}
