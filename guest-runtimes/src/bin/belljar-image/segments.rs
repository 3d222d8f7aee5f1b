//! Merges the data segments of an initialised module.
//!
//! Wizer leaves tens of thousands of small segments, and every one costs the
//! engine time and memory in each instance. Merging is right only because no
//! code refers to a segment by its number, which `rules.rs` has checked before.

use anyhow::{Context as _, Result, bail};
use wasm_encoder::{ConstExpr, DataCountSection, DataSection, Module, RawSection};
use wasmparser::{DataKind, DataSectionReader, Operator, Parser, Payload};

/// Segments this close become one. A page of zeros compresses to nothing and
/// is mapped anyway; larger holes would make the module larger for no gain.
const MOST_GAP_BYTES: usize = 4096;

/// A module with few data segments, and what merging changed.
pub(crate) struct Merged {
    pub(crate) module: Vec<u8>,
    pub(crate) segments_before: usize,
    pub(crate) segments_after: usize,
    pub(crate) data_before: usize,
    pub(crate) data_after: usize,
}

struct Segment {
    offset: usize,
    bytes: Vec<u8>,
}

impl Segment {
    fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }
}

/// Rewrites the data and data count sections of `module`, drops its custom
/// sections and keeps the rest byte for byte.
///
/// # Errors
///
/// Fails when the module does not parse, has a passive segment with contents,
/// or an active one whose place is not a constant in the first memory.
pub(crate) fn merge(module: &[u8]) -> Result<Merged> {
    let mut before = Vec::new();
    let mut segments_before = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::DataSection(reader) = payload? {
            segments_before = reader.count() as usize;
            before = active_segments(reader)?;
        }
    }
    let data_before = before.iter().map(|segment| segment.bytes.len()).sum();
    let after = merge_segments(before)?;
    let data_after = after.iter().map(|segment| segment.bytes.len()).sum();

    let mut rewritten = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::DataCountSection { .. } => {
                let count = u32::try_from(after.len()).context("too many data segments")?;
                rewritten.section(&DataCountSection { count });
            }
            Payload::DataSection(_) => {
                let mut section = DataSection::new();
                for segment in &after {
                    // The encoding of an i32 constant has no unsigned form.
                    let offset = u32::try_from(segment.offset)?.cast_signed();
                    section.active(0, &ConstExpr::i32_const(offset), segment.bytes.iter().copied());
                }
                rewritten.section(&section);
            }
            Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    rewritten.section(&RawSection { id, data: &module[range] });
                }
            }
        }
    }
    Ok(Merged { module: rewritten.finish(), segments_before, segments_after: after.len(), data_before, data_after })
}

fn active_segments(reader: DataSectionReader<'_>) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for data in reader {
        let data = data?;
        match data.kind {
            DataKind::Passive if data.data.is_empty() => {}
            DataKind::Passive => bail!("a passive data segment of {} bytes", data.data.len()),
            DataKind::Active { memory_index: 0, offset_expr } => {
                let mut operators = offset_expr.get_operators_reader();
                let Operator::I32Const { value } = operators.read()? else {
                    bail!("a data segment whose place is not a constant");
                };
                let offset = value.cast_unsigned() as usize;
                segments.push(Segment { offset, bytes: data.data.to_vec() });
            }
            DataKind::Active { memory_index, .. } => {
                bail!("a data segment of memory {memory_index}");
            }
        }
    }
    Ok(segments)
}

fn merge_segments(mut segments: Vec<Segment>) -> Result<Vec<Segment>> {
    segments.retain(|segment| !segment.bytes.is_empty());
    segments.sort_by_key(|segment| segment.offset);
    let mut merged: Vec<Segment> = Vec::new();
    for segment in segments {
        let Some(last) = merged.last_mut() else {
            merged.push(segment);
            continue;
        };
        let Some(gap) = segment.offset.checked_sub(last.end()) else {
            bail!("overlapping data segments at {}", segment.offset);
        };
        if gap <= MOST_GAP_BYTES {
            last.bytes.resize(last.bytes.len() + gap, 0);
            last.bytes.extend_from_slice(&segment.bytes);
        } else {
            merged.push(segment);
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{CustomSection, MemorySection, MemoryType};

    use super::*;

    fn module(segments: &[(i32, &[u8])], passive: &[&[u8]]) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut data = DataSection::new();
        for (offset, bytes) in segments {
            data.active(0, &ConstExpr::i32_const(*offset), bytes.iter().copied());
        }
        for bytes in passive {
            data.passive(bytes.iter().copied());
        }
        let mut module = Module::new();
        module
            .section(&memories)
            .section(&DataCountSection { count: data.len() })
            .section(&data)
            .section(&CustomSection { name: "note".into(), data: b"dropped".into() });
        module.finish()
    }

    fn segments(module: &[u8]) -> Result<Vec<(usize, Vec<u8>)>> {
        let mut found = Vec::new();
        wasmparser::Validator::new().validate_all(module)?;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::DataSection(reader) => found = active_segments(reader)?,
                Payload::CustomSection(section) => bail!("custom section {}", section.name()),
                _ => {}
            }
        }
        Ok(found.into_iter().map(|segment| (segment.offset, segment.bytes)).collect())
    }

    #[test]
    fn close_segments_become_one_with_zeros_between() -> Result<()> {
        let merged = merge(&module(&[(100, b"cd"), (10, b"ab")], &[]))?;
        let mut expected = b"ab".to_vec();
        expected.resize(90, 0);
        expected.extend_from_slice(b"cd");
        assert_eq!(segments(&merged.module)?, [(10, expected)]);
        assert_eq!((merged.segments_before, merged.segments_after), (2, 1));
        assert_eq!((merged.data_before, merged.data_after), (4, 92));
        Ok(())
    }

    #[test]
    fn far_segments_stay_apart() -> Result<()> {
        let far = 10 + 1 + MOST_GAP_BYTES + 1;
        let merged = merge(&module(&[(10, b"a"), (i32::try_from(far)?, b"b")], &[]))?;
        assert_eq!(segments(&merged.module)?, [(10, b"a".to_vec()), (far, b"b".to_vec())]);
        Ok(())
    }

    #[test]
    fn the_largest_gap_still_merges() -> Result<()> {
        let edge = 10 + 1 + MOST_GAP_BYTES;
        let merged = merge(&module(&[(10, b"a"), (i32::try_from(edge)?, b"b")], &[]))?;
        assert_eq!(merged.segments_after, 1);
        Ok(())
    }

    #[test]
    fn empty_segments_disappear() -> Result<()> {
        let merged = merge(&module(&[(10, b""), (20, b"x")], &[b"", b""]))?;
        assert_eq!(segments(&merged.module)?, [(20, b"x".to_vec())]);
        assert_eq!((merged.segments_before, merged.segments_after), (4, 1));
        Ok(())
    }

    #[test]
    fn overlap_is_refused() {
        assert!(merge(&module(&[(10, b"abc"), (12, b"x")], &[])).is_err());
    }

    #[test]
    fn a_passive_segment_with_contents_is_refused() {
        assert!(merge(&module(&[], &[b"x"])).is_err());
    }
}
