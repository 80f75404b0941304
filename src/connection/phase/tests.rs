//! The transitions as a table, and random events against the rules.

use proptest::prelude::*;

use super::{leave::FIRST_REQUEST, *};

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUTS: Timeouts = Timeouts {
    head: SECOND,
    idle: Duration::from_secs(10),
    stall: Duration::from_secs(5),
    request: Duration::from_secs(8),
};
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Something that happens to a connection.
#[derive(Clone, Copy, Debug)]
enum Event {
    Established,
    HeadBegins,
    /// Part of an HTTP/2 head has arrived, or its rest.
    PartialHead(bool),
    Begin,
    Progress,
    /// The last request that began is over: answered, or abandoned.
    End,
    Abandon,
    Flush,
    /// A request has a response, while more of its body may arrive or not.
    Answer(bool),
    Close,
    /// The edge drains: the next request must begin within this time.
    Leave(Duration),
    Announce,
    Ending,
    EndSent,
    Park(Bodies),
    Resume,
}

use Event::*;

struct Run {
    state: State,
    protocol: Protocol,
    now: Instant,
    in_flight: Vec<usize>,
}

impl Run {
    fn new(protocol: Protocol) -> Self {
        let now = Instant::now();
        Self { state: State::new(now, HANDSHAKE), protocol, now, in_flight: Vec::new() }
    }

    fn after(protocol: Protocol, events: &[Event]) -> Self {
        let mut run = Self::new(protocol);
        for event in events {
            run.apply(*event);
        }
        run
    }

    /// Whether the state took the event, where it may refuse it.
    fn apply(&mut self, event: Event) -> bool {
        let (state, now) = (&mut self.state, self.now);
        match event {
            Established => state.established(now, self.protocol, TIMEOUTS),
            HeadBegins => state.head_begins(now),
            PartialHead(is_partial) => state.partial_head(is_partial.then_some(now)),
            Begin => match state.begin(now) {
                Ok(number) => self.in_flight.push(number),
                Err(NotServing) => return false,
            },
            Progress => self.in_flight.iter().for_each(|number| state.progress(*number, now)),
            End | Abandon => {
                if let Some(number) = self.in_flight.pop() {
                    state.end(number, matches!(event, End), now);
                }
            }
            Flush => state.flushed(),
            Answer(is_body_unread) => {
                let number = self.in_flight.last().copied().unwrap_or_default();
                state.answered(number, is_body_unread, now);
            }
            Close => return state.close(now),
            Leave(time) => return state.leave(now, now + time),
            Announce => return state.announce(now),
            Ending => state.ending(),
            EndSent => state.end_sent(now),
            Park(bodies) => return state.park(bodies).is_some(),
            Resume => return state.resume(),
        }
        true
    }

    fn name(&self) -> &'static str {
        match self.state.phase {
            Phase::Handshake { .. } => "handshake",
            Phase::Idle { .. } => "idle",
            Phase::Head { .. } => "head",
            Phase::Busy(_) => "busy",
            Phase::Parked { .. } => "parked",
            Phase::Closing { .. } => "closing",
            Phase::Lingering { .. } => "lingering",
        }
    }

    fn deadline(&self) -> (Duration, Overdue) {
        let Deadline { at, then } = self.state.deadline(Bodies::Complete);
        (at - self.now, then)
    }
}

const PARK: Event = Park(Bodies::Complete);

#[test]
fn each_phase_has_its_deadline() {
    let (idle, stall) = (TIMEOUTS.idle, TIMEOUTS.stall);
    for (protocol, events, phase, deadline) in [
        (Protocol::Http1, &[][..], "handshake", (HANDSHAKE, Overdue::Stalled)),
        (Protocol::Http1, &[Established], "idle", (PARK_AFTER, Overdue::Park)),
        (Protocol::Http2, &[Established], "idle", (idle, Overdue::Idle)),
        (Protocol::Http1, &[Established, HeadBegins], "head", (SECOND, Overdue::Head)),
        (Protocol::Http1, &[Established, HeadBegins, Begin], "busy", (stall, Overdue::Stalled)),
        (Protocol::Http1, &[Established, Begin, End], "idle", (idle, Overdue::Idle)),
        (Protocol::Http1, &[Established, Begin, End, Flush], "idle", (PARK_AFTER, Overdue::Park)),
        (Protocol::Http2, &[Established, Begin, Begin, End], "busy", (stall, Overdue::Stalled)),
        (Protocol::Http1, &[Established, PARK], "parked", (idle, Overdue::Idle)),
        (Protocol::Http1, &[Established, PARK, Resume], "idle", (PARK_AFTER, Overdue::Park)),
        (Protocol::Http1, &[Established, PARK, Close], "closing", (LINGER, Overdue::Unclosed)),
        (Protocol::Http1, &[Leave(SECOND), Established, PARK], "parked", (FIRST_REQUEST, Overdue::Left)),
        (Protocol::Http2, &[Established, Leave(Duration::ZERO)], "idle", (FIRST_REQUEST, Overdue::Left)),
        (Protocol::Http1, &[Established, Leave(SECOND), HeadBegins], "head", (SECOND, Overdue::Head)),
        (Protocol::Http1, &[Established, Leave(SECOND), Begin], "closing", (stall, Overdue::Stalled)),
        (Protocol::Http2, &[Established, Leave(SECOND), Begin], "closing", (stall, Overdue::Stalled)),
        (Protocol::Http1, &[Established, Begin, End, Leave(2 * SECOND)], "idle", (2 * SECOND, Overdue::Left)),
        (Protocol::Http1, &[Established, Begin, Leave(SECOND)], "closing", (stall, Overdue::Stalled)),
        (
            Protocol::Http1,
            &[Established, Begin, Answer(false), Leave(SECOND)],
            "busy",
            (stall, Overdue::Stalled),
        ),
        (
            Protocol::Http1,
            &[Established, Begin, Answer(false), Leave(SECOND), End],
            "idle",
            (SECOND, Overdue::Left),
        ),
        (
            Protocol::Http1,
            &[Established, Begin, Answer(false), Leave(SECOND), End, Begin],
            "closing",
            (stall, Overdue::Stalled),
        ),
        (
            Protocol::Http1,
            &[Established, Begin, Answer(false), Leave(Duration::ZERO)],
            "closing",
            (stall, Overdue::Stalled),
        ),
        (
            Protocol::Http2,
            &[Established, Begin, Answer(false), Leave(SECOND)],
            "closing",
            (stall, Overdue::Stalled),
        ),
        (
            Protocol::Http1,
            &[Established, Begin, End, Leave(Duration::ZERO)],
            "closing",
            (LINGER, Overdue::Unclosed),
        ),
        (
            Protocol::Http1,
            &[Established, Begin, End, Leave(Duration::from_secs(60))],
            "idle",
            (idle, Overdue::Idle),
        ),
        (Protocol::Http2, &[Established, Begin, End, Leave(SECOND)], "closing", (LINGER, Overdue::Unclosed)),
        (Protocol::Http2, &[Established, PartialHead(true)], "idle", (SECOND, Overdue::Head)),
        (Protocol::Http2, &[Established, Begin, PartialHead(true)], "busy", (SECOND, Overdue::Head)),
        (
            Protocol::Http2,
            &[Established, PartialHead(true), PartialHead(false), Begin],
            "busy",
            (stall, Overdue::Stalled),
        ),
        (Protocol::Http2, &[Established, Begin, Close], "closing", (stall, Overdue::Stalled)),
        (
            Protocol::Http2,
            &[Established, Begin, Close, Announce, End],
            "closing",
            (LINGER, Overdue::Unclosed),
        ),
        (Protocol::Http1, &[Established, Begin, End, Ending], "lingering", (idle, Overdue::Unclosed)),
        (
            Protocol::Http1,
            &[Established, Begin, End, Ending, EndSent],
            "lingering",
            (LINGER, Overdue::Unclosed),
        ),
        (Protocol::Http1, &[Established, Close, Ending], "lingering", (LINGER, Overdue::Unclosed)),
    ] {
        let run = Run::after(protocol, events);
        assert_eq!((run.name(), run.deadline()), (phase, deadline), "{protocol:?} {events:?}");
    }
}

#[test]
fn what_would_desynchronize_requests_is_refused() {
    for (protocol, events, refused) in [
        // Body bytes of the last request may still arrive.
        (Protocol::Http1, &[Established, Begin, Answer(true), End, Flush][..], Park(Bodies::Arriving)),
        (Protocol::Http1, &[Established, Begin, End, Flush, Ending], PARK),
        (Protocol::Http1, &[Established, Begin, End], PARK),
        (Protocol::Http1, &[Established, HeadBegins], PARK),
        (Protocol::Http1, &[Established, Begin], PARK),
        (Protocol::Http2, &[Established], PARK),
        (Protocol::Http1, &[], PARK),
        (Protocol::Http1, &[Established, Close], PARK),
        // Unread body bytes of a refused request are not a request.
        (Protocol::Http1, &[Established, Begin, Answer(true), End, Ending], Begin),
        (Protocol::Http1, &[Established, Begin, End, Ending, EndSent], Begin),
        (Protocol::Http2, &[Established, Begin, End, Ending], Begin),
        (Protocol::Http1, &[Established, Close, Announce], Begin),
        (Protocol::Http1, &[Established, PARK], Begin),
        (Protocol::Http1, &[], Begin),
        (Protocol::Http1, &[Established, PARK, Close], Resume),
    ] {
        let mut run = Run::after(protocol, events);
        let before = run.state.phase;
        assert!(!run.apply(refused), "{protocol:?} {events:?} took {refused:?}");
        assert_eq!(run.state.phase, before);
    }
}

#[test]
fn http2_requests_may_begin_after_goaway() {
    let mut run = Run::after(Protocol::Http2, &[Established, Close, Announce]);
    assert!(run.apply(Begin) && run.state.is_busy());
    assert!(!run.state.is_end_ignored(run.now), "the client has had no time to read it");
    assert!(run.state.is_end_ignored(run.now + LINGER));
}

#[test]
fn a_stalled_stream_is_not_hidden_by_others() {
    let mut run = Run::after(Protocol::Http2, &[Established, Begin, Begin]);
    let began = run.now;
    run.now += SECOND;
    run.state.progress(1, run.now);
    assert!(!run.state.has_progressed());
    assert_eq!(run.state.last_progress(), began);
    run.state.end(0, true, run.now);
    assert!(run.state.has_progressed());
    // A free number is used again.
    assert_eq!(run.state.begin(run.now), Ok(0));
    assert_eq!(run.state.exchanges.len(), 2);
}

#[test]
fn each_request_is_overdue_at_its_own_time() {
    let mut run = Run::after(Protocol::Http2, &[Established, Begin, Begin]);
    let overdue = |number, has_response| OverdueRequest { number, has_response };
    run.state.limit(0, SECOND);
    assert_eq!(run.deadline(), (SECOND, Overdue::Request));
    // Any time for the other one.
    run.state.limit(1, Duration::ZERO);
    run.now += SECOND;
    assert_eq!(run.state.expire(run.now), [overdue(0, false)]);
    assert!(run.state.is_overdue(0) && !run.state.is_overdue(1));
    assert_eq!(run.deadline(), (4 * SECOND, Overdue::Stalled));
    // Its client has some time to take the refusal.
    run.state.answered(0, false, run.now);
    assert_eq!(run.deadline(), (LINGER, Overdue::Request));
    run.now += LINGER;
    assert_eq!(run.state.expire(run.now), [overdue(0, true)]);
    assert!(run.state.expire(run.now + TIMEOUTS.request).is_empty());
}

#[test]
fn a_request_begins_with_the_first_byte_of_its_head() {
    let mut run = Run::after(Protocol::Http1, &[Established, HeadBegins]);
    run.now += SECOND / 2;
    run.apply(Begin);
    run.state.limit(0, SECOND);
    assert_eq!(run.deadline(), (SECOND / 2, Overdue::Request));
    // Also in a connection that closes.
    run.apply(Close);
    assert_eq!(run.deadline(), (SECOND / 2, Overdue::Request));
}

#[test]
fn abandoning_most_requests_is_noticed() {
    let mut run = Run::after(Protocol::Http2, &[Established]);
    for _ in 0..ABANDONED {
        run.apply(Begin);
        run.apply(Abandon);
        assert!(!run.state.is_abandoning());
    }
    run.apply(Begin);
    run.apply(Abandon);
    assert!(run.state.is_abandoning());
    // As many complete ones make up for it.
    for _ in 0..=ABANDONED {
        run.apply(Begin);
        run.apply(End);
    }
    assert!(!run.state.is_abandoning());
}

#[test]
fn only_a_connection_in_use_is_parked_later() {
    let mut run = Run::after(Protocol::Http1, &[Established, Begin, End, Flush]);
    run.state.stayed_in_use(run.now + PARK_AFTER);
    assert_eq!(run.deadline(), (PARK_AFTER, Overdue::Park));
    run.state.stayed_in_use(run.now);
    assert_eq!(run.deadline(), (PARK_AFTER_BUSY, Overdue::Park));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::sample::select(vec![Established, HeadBegins, Begin, End, Flush, PARK, Resume]),
        2 => prop::sample::select(vec![Progress, Abandon, Answer(true), Answer(false), Park(Bodies::Arriving)]),
        1 => any::<bool>().prop_map(PartialHead),
        1 => prop::sample::select(vec![Close, Leave(Duration::ZERO), Leave(SECOND), Announce, Ending, EndSent]),
    ]
}

proptest! {
    /// Whatever happens in whatever order, the rules of a connection's life hold after each event.
    #[test]
    fn random_events_keep_the_rules(
        is_http2 in any::<bool>(),
        events in prop::collection::vec((event(), 0..2000_u64), 1..60),
    ) {
        let mut run = Run::new(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
        let (mut was_closing, mut was_ending, mut was_announced) = (false, false, false);
        let longest = TIMEOUTS.idle;
        for (event, milliseconds) in events {
            run.now += Duration::from_millis(milliseconds);
            let (before, busy_before) = (run.state.phase, run.in_flight.len());
            let is_taken = run.apply(event);
            let phase = run.state.phase;

            // A deadline is never further away than the longest timeout.
            for bodies in [Bodies::Complete, Bodies::Arriving] {
                let Deadline { at, then } = run.state.deadline(bodies);
                prop_assert!(at <= run.now + longest);
                prop_assert!(then != Overdue::Park || (bodies == Bodies::Complete && !is_http2));
            }
            // What counts as in flight is in flight, until the end is sent.
            let ended = matches!(phase, Phase::Lingering { .. });
            prop_assert!(ended || run.state.is_busy() != run.in_flight.is_empty());
            if let Phase::Busy(in_flight) = phase {
                prop_assert_eq!(in_flight.count.get() as usize, run.in_flight.len());
            }
            // Parked: from idle and flushed only, over HTTP/1.1, without requests and bodies.
            if matches!(phase, Phase::Parked { .. }) {
                prop_assert!(!is_http2 && run.in_flight.is_empty());
                if !matches!(before, Phase::Parked { .. }) {
                    let is_allowed = matches!(before, Phase::Idle { is_flushed: true, .. });
                    prop_assert!(is_allowed && matches!(event, Park(Bodies::Complete)), "{:?} {:?}", before, event);
                }
            }
            // No request once the end is announced (HTTP/1.1) or sent.
            if matches!(event, Begin) && is_taken {
                prop_assert!(!was_ending && (is_http2 || !was_announced));
                prop_assert_eq!(run.in_flight.len(), busy_before + 1);
            }
            // There is no way back.
            let is_closing = run.state.is_closing();
            prop_assert!(is_closing || !was_closing);
            prop_assert!(ended || !was_ending);
            (was_closing, was_ending) = (is_closing, ended);
            was_announced |= matches!(event, Announce) && is_taken;
        }
    }
}
