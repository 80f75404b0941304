//! The field `traceparent` of W3C Trace Context (section 3.2), read and written.

use std::ops::Range;

use crate::text::hex;

/// The id of a trace.
pub type TraceId = [u8; 16];
/// The id of a span in its trace.
pub type SpanId = [u8; 8];

/// The flag by which a caller says that it has sampled the trace.
const SAMPLED: u8 = 1;
/// The flags that this edge passes on: sampled, and that the trace id is random (W3C Trace Context Level 2).
const KNOWN: u8 = 3;

/// The span of a caller, as its `traceparent` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    flags: u8,
}

impl Parent {
    /// Parses a field value. `None` if it is malformed: the trace then starts again.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let known = value.get(..TraceParent::LENGTH)?;
        let [version] = field(known, 0)?;
        // A later version may append fields, but nothing else.
        let has_valid_end = match version {
            0 => value.len() == TraceParent::LENGTH,
            0xff => false,
            _ => value.get(TraceParent::LENGTH).is_none_or(|byte| *byte == b'-'),
        };
        let is_separated = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
        let (trace_id, span_id, [flags]) = (field(known, 3)?, field(known, 36)?, field(known, 53)?);
        let is_valid = has_valid_end && is_separated && trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, flags: flags & KNOWN })
    }

    /// Whether the caller has sampled the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// The ids of the two spans of a request, made of random bytes: its own, and that of its exchange with the upstream.
#[must_use]
pub fn span_ids(bytes: [u8; 16]) -> [SpanId; 2] {
    let [first, second] = bytes.as_chunks().0 else { return [[1; 8], [2; 8]] };
    [*first, *second]
}

/// The bytes of lower case hexadecimal digits at this offset.
fn field<const BYTES: usize>(value: &[u8], at: usize) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    hex::decode(value.get(at..at + 2 * BYTES)?, &mut bytes)?;
    Some(bytes)
}

/// A `traceparent` for the next server, as HTTP/1.1 writes it: the whole line of the field.
#[derive(Clone, Copy, Debug)]
pub struct TraceParent([u8; LINE.len()]);

/// The line of a field of version 00, with nothing but zeros.
const LINE: &[u8; 70] = b"traceparent: 00-00000000000000000000000000000000-0000000000000000-00\r\n";
/// Where its parts are.
const VALUE: Range<usize> = 13..68;
const TRACE_ID: Range<usize> = 16..48;
const SPAN_ID: Range<usize> = 49..65;
const FLAGS: Range<usize> = 66..68;

impl TraceParent {
    /// The length of a value of version 00, in bytes.
    const LENGTH: usize = VALUE.end - VALUE.start;

    /// Of a trace that begins here, by the 32 digits of its id. The span is the second one of [`span_ids`].
    #[must_use]
    pub fn of_root(digits: &[u8], is_sampled: bool) -> Option<Self> {
        let digits: &[u8; 32] = digits.try_into().ok()?;
        let (_, span) = digits.split_at(16);
        let mut line = *LINE;
        line.get_mut(TRACE_ID)?.copy_from_slice(digits);
        line.get_mut(SPAN_ID)?.copy_from_slice(span);
        *line.get_mut(FLAGS)?.last_mut()? = if is_sampled { b'1' } else { b'0' };
        Some(Self(line))
    }

    /// Of a trace that goes on.
    #[must_use]
    pub fn after(parent: &Parent, span_id: SpanId) -> Self {
        Self::write(parent.trace_id, span_id, parent.flags)
    }

    fn write(trace_id: TraceId, span_id: SpanId, flags: u8) -> Self {
        let mut line = *LINE;
        for (part, bytes) in [(TRACE_ID, &trace_id[..]), (SPAN_ID, &span_id), (FLAGS, &[flags])] {
            if let Some(digits) = line.get_mut(part) {
                hex::encode(bytes, digits);
            }
        }
        Self(line)
    }

    /// The line of the field.
    #[must_use]
    pub const fn line(&self) -> &[u8; LINE.len()] {
        &self.0
    }

    /// The digits of the trace id.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        std::str::from_utf8(self.0.get(TRACE_ID)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_the_recommendation_allows_is_read() {
        let parent = Parent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.trace_id[..2], [0x0a, 0xf7]);
        assert_eq!(parent.span_id[..2], [0xb7, 0xad]);
        assert!(parent.is_sampled());
        let with = |from: &str, to: &str| Parent::parse(GOOD.replace(from, to).as_bytes());
        assert!(!with("-01", "-00").unwrap().is_sampled());
        assert!(with("-01", "-ff").unwrap().is_sampled(), "unknown flags are ignored");
        for later in ["cc-", "01-"] {
            assert_eq!(with("00-", later), Some(parent));
            let longer = format!("{}-what-is-next", GOOD.replacen("00-", later, 1));
            assert_eq!(Parent::parse(longer.as_bytes()), Some(parent));
        }
    }

    #[test]
    fn what_it_does_not_allow_is_not() {
        for (from, to) in [
            ("00-", "ff-"),
            ("00-", "0x-"),
            ("0af7", "0AF7"),
            ("0af7", "0ag7"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("b7ad6b7169203331-", "b7ad6b71692033310"),
            ("-01", "-1"),
            ("-01", "-01-"),
            ("-01", "-01 "),
            ("-01", "-01-later"),
            ("00-", "00_"),
            ("00-", " 00-"),
        ] {
            assert_eq!(Parent::parse(GOOD.replacen(from, to, 1).as_bytes()), None, "{from} {to}");
        }
        for text in ["", "00", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x"] {
            assert_eq!(Parent::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_known_flags_are_passed_on() {
        let parent = Parent::parse(GOOD.replace("-01", "-f3").as_bytes()).unwrap();
        let next = TraceParent::after(&parent, [0x11; 8]);
        assert_eq!(
            std::str::from_utf8(next.line()),
            Ok("traceparent: 00-0af7651916cd43dd8448eb211c80319c-1111111111111111-03\r\n")
        );
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(trace_id in any::<TraceId>(), is_sampled in any::<bool>()) {
            let [first, second] = span_ids(trace_id);
            prop_assume!(first != [0; 8] && second != [0; 8]);
            let mut digits = [0; 32];
            hex::encode(&trace_id, &mut digits);
            let root = TraceParent::of_root(&digits, is_sampled).unwrap();
            let parent = Parent::parse(&root.0[VALUE]).unwrap();
            prop_assert_eq!((parent.trace_id, parent.span_id, parent.is_sampled()), (trace_id, second, is_sampled));
            let next = Parent::parse(&TraceParent::after(&parent, first).0[VALUE]).unwrap();
            prop_assert_eq!(next, Parent { span_id: first, ..parent });
        }

        #[test]
        fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Parent::parse(&value);
        }
    }
}
