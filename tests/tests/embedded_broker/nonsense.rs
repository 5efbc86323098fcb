//! What a test may not say: builders refuse it with a sentence, before anything waits in vain.

use std::{
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
};

use stomp_proto::{Command, Limits};
use stomp_testkit::broker::{Answer, Broker, BrokerConfig, Denial, Stub, ack, send, subscribe};

/// Each with a word of the sentence that says why.
#[test]
fn nonsense_is_refused_where_it_is_said() {
    let config = BrokerConfig::default;
    let broker = || Broker::new(BrokerConfig::default());
    let rows: [(&str, &dyn Fn()); 19] = [
        ("no version", &|| _ = config().versions(&[])),
        ("output window", &|| _ = config().output_window(0)),
        ("every CONNECT", &|| _ = config().frame_limits(0, 1)),
        ("every CONNECT", &|| _ = config().frame_limits(1, 0)),
        ("server header", &|| _ = config().server("")),
        ("needs a login", &|| _ = config().user("", "secret")),
        ("nobody can connect", &|| _ = config().limits(limits(|limits| limits.command = 6))),
        ("nobody can connect", &|| _ = config().limits(limits(|limits| limits.headers = 0))),
        ("nobody can connect", &|| _ = config().limits(limits(|limits| limits.header_line = 0))),
        ("nobody can connect", &|| _ = config().limits(limits(|limits| limits.header_block = 0))),
        ("at least one", &|| _ = config().settles_at_once(0)),
        ("needs a destination", &|| broker().publish("", "x", &[])),
        ("header needs a name", &|| broker().publish("/queue/a", "x", &[("", "x")])),
        ("needs an answer", &|| _ = broker().stub(Stub::new(send()).script([]))),
        ("no effect", &|| _ = Stub::new(send()).times(0)),
        ("only a SEND", &|| _ = broker().stub(Stub::new(subscribe()).reply(Answer::deliver_twice()))),
        ("only a SEND", &|| _ = broker().stub(Stub::new(ack()).script([Answer::respond("x")]))),
        ("without one it may", &|| _ = broker().deny(Denial::of(Command::Send).receipting())),
        ("with an ERROR", &|| _ = broker().deny(Denial::of(Command::Send).storing().saying("no", ""))),
    ];
    for (sentence, nonsense) in rows {
        let panicked = catch_unwind(AssertUnwindSafe(nonsense)).expect_err(sentence);
        let words = panicked.downcast_ref::<&str>().copied().map(str::to_owned);
        let words = words.or_else(|| panicked.downcast_ref::<String>().cloned()).unwrap();
        assert!(words.contains(sentence), "{words}");
    }
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// No number is within the range.
#[test]
#[should_panic = "no number of frames"]
fn an_empty_range_is_not_expected() {
    let mut broker = Broker::new(BrokerConfig::default());
    let id = broker.expect(send());
    broker.expect_times(id, RangeInclusive::new(2, 1));
}
