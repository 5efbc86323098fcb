//! The frames that a broker sends, written straight into a connection's output.

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, FrameWriter, HeartBeat, Version};

use super::{
    ack_id::Ids,
    octets::MessageWriter,
    refusal::Refusal,
    store::{Content, Message},
    subscription::Terms,
};

type Written = Result<(), EncodeError>;

pub(super) fn connected(
    server: &str,
    session: &str,
    heart_beat: HeartBeat,
    version: Version,
    out: &mut BytesMut,
) -> Written {
    let mut writer = FrameWriter::new(Command::Connected, version, out)?;
    writer.header(b"version", version.as_str().as_bytes())?;
    writer.header(b"session", session.as_bytes())?;
    writer.header(b"server", server.as_bytes())?;
    if version > Version::V1_0 {
        writer.header(b"heart-beat", heart_beat.to_string().as_bytes())?;
    }
    writer.finish(b"")
}

pub(super) fn receipt(id: &[u8], version: Version, out: &mut BytesMut) -> Written {
    let mut writer = FrameWriter::new(Command::Receipt, version, out)?;
    writer.header(b"receipt-id", id)?;
    writer.finish(b"")
}

pub(super) fn error(
    refusal: &Refusal,
    receipt: Option<&[u8]>,
    version: Version,
    out: &mut BytesMut,
) -> Written {
    let mut writer = FrameWriter::new(Command::Error, version, out)?;
    writer.header(b"message", refusal.message().as_bytes())?;
    if let Some(receipt) = receipt {
        writer.header(b"receipt-id", receipt)?;
    }
    if let Some(versions) = &refusal.version {
        writer.header(b"version", versions.as_bytes())?;
    }
    writer.header(b"content-type", b"text/plain")?;
    writer.finish(refusal.detail.as_bytes())
}

/// Whether MESSAGEs of a subscription can be written: its id and destination stand in each.
pub(super) fn can_serve(terms: &Terms, version: Version) -> bool {
    let write = |out: &mut BytesMut| {
        let mut writer = FrameWriter::new(Command::Message, version, out)?;
        writer.header(b"destination", terms.destination.as_bytes())?;
        terms.name.id().map_or(Ok(()), |id| writer.header(b"subscription", id.as_bytes()))
    };
    let written: Written = write(&mut BytesMut::new());
    written.is_ok()
}

/// A MESSAGE. `ids` say how it is to be acknowledged.
pub(super) fn message(
    message: &Message,
    ids: Ids<'_>,
    needs_ack: bool,
    version: Version,
    out: &mut BytesMut,
) -> Written {
    let content: &Content = &message.content;
    let mut writer = MessageWriter::new(version, out);
    if let Some(id) = ids.subscription.id() {
        writer.header(b"subscription", id.as_bytes())?;
    }
    writer.header(b"message-id", ids.message_id().as_bytes())?;
    writer.header(b"destination", content.destination.as_bytes())?;
    if message.redelivered {
        writer.header(b"redelivered", b"true")?;
    }
    // 1.2, "MESSAGE": an `ack` header exactly where an acknowledgement is wanted.
    if needs_ack && version >= Version::V1_2 {
        writer.header(b"ack", ids.ack().as_bytes())?;
    }
    writer.header(b"content-length", content.body.len().to_string().as_bytes())?;
    for (name, value) in content.headers.iter() {
        writer.header(&name.octets(), &value.octets())?;
    }
    writer.finish(&content.body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ErrorClass;

    fn written(frame: impl FnOnce(&mut BytesMut) -> Written) -> String {
        let mut out = BytesMut::new();
        frame(&mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn connected_by_version() {
        let heart_beat = HeartBeat { outgoing: 5, incoming: 6 };
        let in_version = |version| written(|out| connected("kit/1", "7", heart_beat, version, out));
        assert_eq!(in_version(Version::V1_0), "CONNECTED\nversion:1.0\nsession:7\nserver:kit/1\n\n\0");
        assert_eq!(
            in_version(Version::V1_2),
            "CONNECTED\nversion:1.2\nsession:7\nserver:kit/1\nheart-beat:5,6\n\n\0"
        );
    }

    #[test]
    fn an_error_says_what_failed() {
        let refusal = Refusal::new(ErrorClass::UnknownAck, "no".to_owned());
        assert_eq!(
            written(|out| error(&refusal, Some(b"r:1"), Version::V1_1, out)),
            "ERROR\nmessage:Unknown message\nreceipt-id:r\\c1\ncontent-type:text/plain\ncontent-length:2\n\nno\0"
        );
    }
}
