//! The frames that a broker sends, written straight into a connection's output.

use core::time::Duration;

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, FrameWriter, HeartBeat, Version};

use super::{
    ack_id::Ids, content::Content, dialect::Dialect, octets::MessageWriter, refusal::Refusal, store::Message,
    subscription::Terms, temporary::Temporaries,
};

type Written = Result<(), EncodeError>;

pub(super) fn connected(
    server: &str,
    session: &str,
    heart_beat: Option<HeartBeat>,
    version: Version,
    out: &mut BytesMut,
) -> Written {
    let mut writer = FrameWriter::new(Command::Connected, version, out)?;
    writer.header(b"version", version.as_str().as_bytes())?;
    writer.header(b"session", session.as_bytes())?;
    writer.header(b"server", server.as_bytes())?;
    if let Some(heart_beat) = heart_beat {
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
    if !refusal.bare {
        writer.header(b"content-type", b"text/plain")?;
    }
    if refusal.unannounced && !refusal.detail.contains('\0') {
        return writer.finish_text(refusal.detail.as_bytes());
    }
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
    names: &Temporaries,
    needs_ack: bool,
    version: Version,
    out: &mut BytesMut,
) -> Written {
    let content: &Content = &message.content;
    let dialect = ids.dialect;
    let mut writer = MessageWriter::new(version, out);
    if let Some(id) = ids.subscription.id() {
        writer.header(b"subscription", id.as_bytes())?;
    }
    match &content.id {
        Some(id) => writer.header(b"message-id", id.as_bytes())?,
        None => writer.header(b"message-id", ids.message_id().as_bytes())?,
    }
    writer.header(b"destination", names.local(&content.destination).as_bytes())?;
    if message.redelivered {
        writer.header(b"redelivered", b"true")?;
    } else if matches!(dialect, Dialect::Artemis | Dialect::RabbitMq) {
        writer.header(b"redelivered", b"false")?;
    }
    // 1.2, "MESSAGE": an `ack` header exactly where an acknowledgement is wanted.
    if needs_ack && version >= Version::V1_2 {
        writer.header(b"ack", ids.ack().as_bytes())?;
    }
    let is_announced = match dialect {
        Dialect::Plain => true,
        Dialect::ActiveMq => content.announced,
        Dialect::Artemis => content.announced || !content.body.is_empty(),
        Dialect::RabbitMq => !content.body.is_empty(),
    };
    if is_announced {
        writer.header(b"content-length", content.body.len().to_string().as_bytes())?;
    }
    let is_of_jms = matches!(dialect, Dialect::ActiveMq | Dialect::Artemis);
    if is_of_jms {
        properties(content, dialect, &mut writer)?;
    }
    for (name, value) in content.headers.iter() {
        if is_of_jms && PROPERTIES.into_iter().any(|property| name == property) {
            continue;
        }
        let value = match value.text() {
            Ok(text) if name == "reply-to" => names.local(&text).into_owned().into_bytes().into(),
            _ => value.octets(),
        };
        writer.header(&name.octets(), &value)?;
    }
    writer.finish(&content.body);
    Ok(())
}

/// Headers that brokers of JMS write themselves, whatever a sender has said.
const PROPERTIES: [&str; 5] = ["destination-type", "expires", "persistent", "priority", "timestamp"];

fn properties(content: &Content, dialect: Dialect, writer: &mut MessageWriter<'_>) -> Written {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    writer.header(b"expires", milliseconds(content.expires.unwrap_or_default()).as_bytes())?;
    writer.header(b"priority", content.priority.to_string().as_bytes())?;
    writer.header(b"timestamp", milliseconds(content.accepted).as_bytes())?;
    let kind: Option<&[u8]> = match &*content.destination {
        topic if topic.starts_with("/topic/") => Some(b"MULTICAST"),
        queue if queue.starts_with("/queue/") => Some(b"ANYCAST"),
        _ => None,
    };
    if let Some(kind) = kind.filter(|_| dialect == Dialect::Artemis) {
        writer.header(b"destination-type", kind)?;
    }
    if content.persistent {
        writer.header(b"persistent", b"true")?;
    } else if dialect == Dialect::Artemis {
        writer.header(b"persistent", b"false")?;
    }
    Ok(())
}

/// The MESSAGE that says that a browser has been shown everything, as ActiveMQ words it.
pub(super) fn browse_end(terms: &Terms, version: Version, out: &mut BytesMut) -> Written {
    let mut writer = MessageWriter::new(version, out);
    if let Some(id) = terms.name.id() {
        writer.header(b"subscription", id.as_bytes())?;
    }
    writer.header(b"message-id", b"0")?;
    writer.header(b"destination", terms.destination.as_bytes())?;
    writer.header(b"browser", b"end")?;
    writer.finish(b"");
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
        let in_version = |version| {
            let heart_beat = Some(heart_beat).filter(|_| version > Version::V1_0);
            written(|out| connected("kit/1", "7", heart_beat, version, out))
        };
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
