//! The codec over a stream of tokio that is cut anywhere and ends anywhere.

use futures_util::{SinkExt, StreamExt as _};
use stomp_proto::{
    Codec, CodecError, Command, EncodeError, Eol, Frame, Item, Limits, ParseErrorKind, Parser, Sender,
    Version,
};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio_util::codec::{Framed, FramedRead, FramedWrite};

fn messages() -> Vec<Frame> {
    let message = |number: usize| {
        Frame::new(Command::Message).with_header("x", format!("a:{number}")).with_body(vec![0; number * 97])
    };
    (0..50).map(message).collect()
}

/// All that comes out of a stream that carries these octets through so small a pipe.
async fn read(octets: Vec<u8>, pipe: usize) -> Vec<Result<Item, CodecError>> {
    let (mut ours, theirs) = duplex(pipe);
    let writer = tokio::spawn(async move { ours.write_all(&octets).await });
    let mut codec = Codec::new(Sender::Server, Limits::default());
    codec.set_version(Version::V1_2);
    let items = FramedRead::new(theirs, codec).collect().await;
    writer.await.unwrap().unwrap();
    items
}

async fn written(frames: &[Frame]) -> Vec<u8> {
    let mut sink = FramedWrite::new(Vec::new(), Codec::new(Sender::Client, Limits::default()));
    for frame in frames {
        sink.feed(frame).await.unwrap();
        sink.feed(Eol).await.unwrap();
    }
    SinkExt::<Eol>::flush(&mut sink).await.unwrap();
    sink.into_inner()
}

#[tokio::test]
async fn what_was_written_is_read() {
    let frames = messages();
    let octets = written(&frames).await;
    for pipe in [1, 7, 1000, 100_000] {
        let items: Vec<_> = read(octets.clone(), pipe).await.into_iter().map(Result::unwrap).collect();
        let expected =
            frames.iter().cloned().flat_map(|frame| [Item::Frame(frame.into_owned()), Item::HeartBeat]);
        assert_eq!(items.len(), 2 * frames.len());
        for (item, expected) in items.iter().zip(expected) {
            let (Item::Frame(found), Item::Frame(meant)) = (item, &expected) else {
                assert_eq!(item, &expected);
                continue;
            };
            assert_eq!((found.header("x"), found.body()), (meant.header("x"), meant.body()));
        }
    }
}

#[tokio::test]
async fn an_end_inside_a_frame_is_an_error_and_the_last_item() {
    let items = read(b"RECEIPT\n\n\0\nMESSAGE\n\nhalf".to_vec(), 1000).await;
    let [Ok(Item::Frame(_)), Ok(Item::HeartBeat), Err(CodecError::Parse(error))] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(error.kind, ParseErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_no_stomp_ends_the_stream() {
    let items = read(b"RECEIPT\n\n\0HTTP/1.1 400\n\nRECEIPT\n\n\0".to_vec(), 1000).await;
    let [Ok(Item::Frame(_)), Err(CodecError::Parse(error))] = &items[..] else { panic!("{items:?}") };
    assert_eq!(error.kind, ParseErrorKind::UnknownCommand);
}

#[tokio::test]
async fn what_cannot_be_written_leaves_nothing_behind() {
    let (ours, theirs): (DuplexStream, DuplexStream) = duplex(1000);
    let mut ours = Framed::new(ours, Codec::new(Sender::Client, Limits::default()));
    let wrong = Frame::new(Command::Receipt).with_body("x");
    let refused = ours.send(&wrong).await;
    let expected = EncodeError::BodyNotAllowed { command: Command::Receipt };
    assert!(matches!(&refused, Err(CodecError::Encode(error)) if *error == expected), "{refused:?}");
    ours.send(Frame::new(Command::Receipt)).await.unwrap();
    drop(ours);
    let items: Vec<_> =
        FramedRead::new(theirs, Codec::new(Sender::Server, Limits::default())).collect().await;
    assert!(
        matches!(&items[..], [Ok(Item::Frame(frame))] if frame.command() == Command::Receipt),
        "{items:?}"
    );
}

#[tokio::test]
async fn the_version_is_that_of_the_conversation() {
    let mut codec = Codec::from(Parser::new(Sender::Client, Limits::default()).strict());
    codec.set_version(Version::V1_0);
    let mut sink = FramedWrite::new(Vec::new(), codec);
    sink.send(Frame::new(Command::Message).with_header("x", "a:b")).await.unwrap();
    sink.encoder_mut().set_version(Version::V1_1);
    sink.send(Frame::new(Command::Message).with_header("x", "a:b")).await.unwrap();
    assert_eq!(sink.into_inner(), b"MESSAGE\nx:a:b\n\n\0MESSAGE\nx:a\\cb\n\n\0");
}
