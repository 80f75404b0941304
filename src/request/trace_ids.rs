//! The traces that begin here: each with the bytes of a request id as its id.

use std::cell::RefCell;

use bytes::Bytes;

use super::request_id::{BATCH, batch};
use crate::trace::{Sampler, TraceParent, span_ids};

/// The fields of the traces that a thread will begin next, by this sampler. They share one allocation.
struct Made {
    sampler: Option<Sampler>,
    fields: Bytes,
}

thread_local! {
    static MADE: RefCell<Made> = const { RefCell::new(Made { sampler: None, fields: Bytes::new() }) };
}

/// The `traceparent` of a new trace. Its span is that of the exchange with the upstream.
pub(super) fn next(sampler: Sampler) -> Bytes {
    MADE.with_borrow_mut(|made| {
        if made.fields.is_empty() || made.sampler != Some(sampler) {
            *made = Made { sampler: Some(sampler), fields: fields(sampler) };
        }
        made.fields.split_to(made.fields.len().min(TraceParent::LENGTH))
    })
}

fn fields(sampler: Sampler) -> Bytes {
    let mut fields = Vec::with_capacity(TraceParent::LENGTH * BATCH);
    for id in batch().as_chunks().0 {
        let [_, exchange] = span_ids(*id);
        fields.extend_from_slice(TraceParent::new(*id, exchange, sampler.samples(id)).as_bytes());
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::trace::Parent;

    #[test]
    fn fields_are_valid_unique_and_follow_the_sampler() {
        let mut seen = HashSet::new();
        for (share, is_sampled) in [(1.0, true), (0.0, false), (1.0, true)] {
            for _ in 0..=BATCH {
                let field = next(Sampler::new(share));
                let parsed = Parent::parse(&field).unwrap();
                assert_eq!(parsed.is_sampled(), is_sampled);
                let [first, second] = span_ids(parsed.trace_id);
                assert!(first != second && second == parsed.span_id);
                assert!(seen.insert(parsed.trace_id));
            }
        }
    }
}
