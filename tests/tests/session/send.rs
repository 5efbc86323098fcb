//! SEND: what goes out, what is refused, and what is told about what never left.

use bytes::{Bytes, BytesMut};
use stomp_proto::{Command, EncodeError, Frame, Version};
use stomp_session::{CommandError, Event, Lost};

use crate::script::{Script, config, send_frame};

#[test]
fn a_send_is_written_as_it_is() {
    let mut script = Script::connected(config(), Version::V1_2);
    let frame = send_frame("/queue/a:b", "hello").with_header("x", "1\n2");
    script.session.send(&frame).unwrap();
    let written = "SEND\ndestination:/queue/a\\cb\nx:1\\n2\ncontent-length:5\n\nhello\0";
    assert_eq!(script.said(), written);
    script.session.send_confirmed(send_frame("/queue/a", "")).unwrap();
    assert_eq!(script.said(), "SEND\ndestination:/queue/a\nreceipt:1\n\n\0");
}

#[test]
fn a_wrong_send_is_refused_and_nothing_is_written() {
    let frame = send_frame("/queue/a", "x");
    let rows = [
        (Frame::new(Command::Send), CommandError::NoDestination),
        (send_frame("", "x"), CommandError::NoDestination),
        (Frame::new(Command::Subscribe), CommandError::WrongCommand(Command::Subscribe)),
        (frame.clone().with_header("receipt", "1"), CommandError::ReservedHeader("receipt")),
        (frame.with_header("transaction", "t"), CommandError::ReservedHeader("transaction")),
    ];
    let mut script = Script::connected(config(), Version::V1_2);
    for (frame, error) in rows {
        assert_eq!(script.session.send(&frame), Err(error.clone()));
        let refused = script.session.send_confirmed(frame.clone()).unwrap_err();
        assert_eq!((refused.error(), refused.clone().into_frame()), (&error, frame));
        assert_eq!((refused.to_string(), CommandError::from(refused)), (error.to_string(), error));
    }
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
}

#[test]
fn what_the_version_cannot_say_is_refused() {
    let mut script = Script::connected(config(), Version::V1_0);
    let frame = send_frame("/queue/a", "x").with_header("x", "1\n2");
    let refused = script.session.send(&frame);
    assert!(
        matches!(refused, Err(CommandError::Encode(EncodeError::UnencodableHeader { .. }))),
        "{refused:?}"
    );
    let refused = script.session.send_confirmed(frame.clone()).unwrap_err();
    assert_eq!(refused.into_frame(), frame, "it is given back as it was");
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
}

#[test]
fn sends_that_never_left_are_counted() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send(&send_frame("/queue/a", "left")).unwrap();
    script.said();
    for _ in 0..3 {
        script.session.send(&send_frame("/queue/a", "kept")).unwrap();
    }
    script.report(Lost::Eof);
    let events = script.events();
    assert_eq!(events[0], "disconnected: connection 1, the broker closed the connection, 3 unsent");
}

#[test]
fn sends_that_left_behind_the_last_receipt_are_counted() {
    let mut script = Script::connected(config(), Version::V1_2);
    let send = |script: &mut Script, count| {
        (0..count).for_each(|_| script.session.send(&send_frame("/queue/a", "x")).unwrap());
    };
    send(&mut script, 3);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    send(&mut script, 2);
    script.said();
    send(&mut script, 1);
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.report(Lost::Eof);
    let events = script.raw_events();
    assert!(matches!(events[1], Event::Disconnected { unsent: 1, unconfirmed: 2, .. }), "{events:?}");
}

#[test]
fn a_large_body_leaves_as_it_is_and_alone() {
    let mut script = Script::connected(config(), Version::V1_2);
    let body = Bytes::from("x".repeat(200_000));
    script.session.send(&send_frame("/queue/a", "").with_body(body.clone())).unwrap();
    script.session.send(&send_frame("/queue/b", "")).unwrap();
    assert!(script.session.unsent() > 200_000);
    let next = |script: &mut Script| script.session.poll_transmit(script.now).unwrap();
    assert_eq!(next(&mut script), "SEND\ndestination:/queue/a\ncontent-length:200000\n\n");
    let left = next(&mut script);
    assert_eq!((left.as_ptr(), left.len()), (body.as_ptr(), body.len()), "it was not copied");
    let lost = script.session.poll_transmit(script.now).unwrap();
    assert_eq!(lost, "\0SEND\ndestination:/queue/b\n\n\0");
    assert_eq!(script.session.unsent(), 0);
}

#[test]
fn a_large_send_that_left_in_part_counts_as_unsent() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send(&send_frame("/queue/a", &"x".repeat(200_000))).unwrap();
    (0..2).for_each(|_| _ = script.session.poll_transmit(script.now).unwrap());
    script.report(Lost::Eof);
    assert!(script.events()[0].ends_with("1 unsent"));
}

#[test]
fn no_batch_is_larger_than_64_kib_but_for_a_large_body() {
    let mut script = Script::connected(config(), Version::V1_2);
    let frames = (0..300).map(|number| send_frame("/queue/a", &"x".repeat(number * 50)));
    let wide = send_frame("/queue/a", "x").with_header("wide", "x".repeat(150_000));
    let mut encoded = BytesMut::new();
    for frame in frames.chain([wide]) {
        script.session.send(&frame).unwrap();
        frame.encode(Version::V1_2, &mut encoded).unwrap();
    }
    let batches: Vec<_> = std::iter::from_fn(|| script.session.poll_transmit(script.now)).collect();
    assert!(batches.iter().all(|batch| batch.len() <= 64 * 1024), "{:?}", batches.iter().map(Bytes::len));
    assert_eq!(batches.concat(), &encoded[..]);
}

#[test]
fn nothing_of_one_connection_is_sent_on_the_next() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send(&send_frame("/queue/a", "x")).unwrap();
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), "");
}

/// In every version, with bodies that leave by themselves, with and without a RECEIPT: the octets and what is traced are
/// those of the plain frame.
#[test]
fn a_prepared_send_is_written_as_the_frame_would_be() {
    let frame = send_frame("/queue/a:b", "").with_header("x", "a\\b");
    let frames = [frame.clone(), frame.without_content_length()];
    for (version, frame) in
        Version::ALL.into_iter().flat_map(|version| frames.iter().map(move |it| (version, it)))
    {
        let (mut ours, mut theirs) =
            (Script::connected(config(), version), Script::connected(config(), version));
        ours.session.trace_frames(true);
        theirs.session.trace_frames(true);
        // Written for a version that is another one on two of three connections.
        let mut prepared = frame.clone().prepare(Version::V1_1).unwrap();
        for body in ["", "hello", &"x".repeat(20_000)].map(|body| Bytes::from(body.to_owned())) {
            let frame = frame.clone().with_body(body.clone());
            ours.session.send_prepared(&mut prepared, &body).unwrap();
            theirs.session.send(&frame).unwrap();
            let timeout = config().timeout;
            let receipt = ours.session.send_prepared_confirmed(&mut prepared, &body, timeout);
            let other = theirs.session.send_confirmed(frame).unwrap();
            assert_eq!(receipt.unwrap().to_string(), other.to_string());
        }
        assert_eq!(ours.said(), theirs.said());
        let (traced, expected) = (ours.events(), theirs.events());
        assert_eq!(traced, expected);
        assert_eq!(traced.len(), 6, "each frame was traced");
        assert_eq!(ours.session.awaited_receipts(), 3);
    }
}

#[test]
fn a_wrong_prepared_send_is_refused_and_nothing_is_written() {
    let mut script = Script::connected(config(), Version::V1_0);
    let frame = send_frame("/queue/a", "");
    let rows = [
        (Frame::new(Command::Send), "", CommandError::NoDestination),
        (frame.clone().with_header("receipt", "1"), "", CommandError::ReservedHeader("receipt")),
        (frame.clone().without_content_length(), "a\0b", CommandError::Encode(EncodeError::NulInBody)),
    ];
    for (frame, body, error) in rows {
        let mut prepared = frame.prepare(Version::V1_0).unwrap();
        assert_eq!(script.session.send_prepared(&mut prepared, &body.into()), Err(error.clone()));
        let confirmed = script.session.send_prepared_confirmed(&mut prepared, &body.into(), config().timeout);
        assert_eq!(confirmed, Err(error));
    }
    let mut newer = frame.with_header("x", "1\n2").prepare(Version::V1_2).unwrap();
    let refused = script.session.send_prepared(&mut newer, &Bytes::new());
    assert!(
        matches!(refused, Err(CommandError::Encode(EncodeError::UnencodableHeader { .. }))),
        "{refused:?}"
    );
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
}
