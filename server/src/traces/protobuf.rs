//! The few messages of `opentelemetry/proto/trace/v1/trace.proto` that are sent, in the
//! encoding of Protocol Buffers. The crates that have all of them bring thirty others.

/// A message, or what is in one, that grows.
#[derive(Debug, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

/// How the value of a field is written.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

impl Message {
    fn tag(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from((field << 3) | wire as u32));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.tag(field, Wire::Bytes);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, field: u32, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn number(&mut self, field: u32, number: u64) -> &mut Self {
        self.tag(field, Wire::Varint);
        self.varint(number);
        self
    }

    pub(super) fn fixed64(&mut self, field: u32, number: u64) -> &mut Self {
        self.tag(field, Wire::Fixed64);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn fixed32(&mut self, field: u32, number: u32) -> &mut Self {
        self.tag(field, Wire::Fixed32);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0)
    }

    /// A `KeyValue`.
    pub(super) fn attribute(&mut self, field: u32, name: &str, value: Value<'_>) -> &mut Self {
        self.message(field, |pair| {
            pair.text(1, name).message(2, |any| {
                match value {
                    Value::Text(text) => any.text(1, text),
                    Value::Number(number) => any.number(3, number),
                };
            });
        })
    }
}

/// The value of an attribute.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_encoding_has_them() {
        let mut message = Message::default();
        // The examples of the documentation of the encoding.
        message.number(1, 150).text(2, "testing").message(3, |inner| {
            inner.number(1, 150);
        });
        message.fixed64(4, 1).fixed32(16, 0x101);
        let expected = [
            &[0x08, 0x96, 0x01, 0x12, 0x07][..],
            b"testing",
            &[0x1a, 0x03, 0x08, 0x96, 0x01, 0x21, 1, 0, 0, 0, 0, 0, 0, 0, 0x85, 0x01, 1, 1, 0, 0],
        ];
        assert_eq!(message.0, expected.concat());
    }
}
