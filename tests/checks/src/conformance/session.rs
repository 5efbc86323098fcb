//! `session` rows: what a client makes of a broker's octets; `ack` rows: how it acknowledges a message.

use serde_json::Value;
use stomp_proto::{AckMode, Command, Frame, HeartBeat, Sender, Version};
use stomp_session::{CommandError, Config, Event, Lost, Message, Outcome, Subscribe};

use super::{
    client::{self, Client, Cut, Sent, confirms},
    decode, encode,
    row::Fields,
};

pub(super) const KEYS: [&str; 5] = ["offered", "client_heart_beat", "input_hex", "sent", "expect"];

const EXPECT_KEYS: [&str; 15] = [
    "connected",
    "heart_beat_ms",
    "error",
    "rejected",
    "server_versions",
    "then",
    "then_error",
    "frames_after_error_delivered",
    "then_connection_lost_and_reconnected",
    "ack_of_old_delivery",
    "bytes_written_hex",
    "sent",
    "completed_in_order",
    "failed",
    "waiting",
];

pub(super) fn judge(row: &Fields<'_>) -> Result<(), String> {
    row.version()?;
    let case = Case {
        config: config(row)?,
        input: row.octets("input_hex")?,
        sent: row.maybe_texts("sent")?,
        expect: row.fields("expect", &EXPECT_KEYS)?,
    };
    for cut in [Cut::Whole, Cut::Bytewise] {
        case.judge(cut).map_err(|what| format!("fed {cut:?}: {what}"))?;
    }
    Ok(())
}

fn config(row: &Fields<'_>) -> Result<Config, String> {
    let version = |name: &str| {
        Version::from_name(name).ok_or_else(|| format!("malformed row: unknown version \"{name}\" offered"))
    };
    let offered = row.text("offered")?.split(',').map(version).collect::<Result<_, _>>()?;
    let beat = HeartBeat::from_octets(row.text("client_heart_beat")?.as_bytes())
        .ok_or("malformed row: \"client_heart_beat\" is no pair of numbers")?;
    Ok(client::config(offered, beat.outgoing, beat.incoming))
}

/// A row.
struct Case<'a> {
    config: Config,
    input: Vec<u8>,
    sent: Option<Vec<&'a str>>,
    expect: Fields<'a>,
}

impl<'a> Case<'a> {
    fn judge(&self, cut: Cut) -> Result<(), String> {
        let mut client = Client::dialled(self.config.clone(), cut)?;
        let answer =
            client::first_frame(Sender::Server, &self.input).map_or(self.input.len(), |(_, end)| end);
        let (answer, rest) = self.input.split_at(answer);
        if self.expect.flag("then_connection_lost_and_reconnected")? {
            return self.judge_reconnected(client, answer, rest);
        }
        match self.sent_names()? {
            None => {
                client.feed(&self.input);
                self.judge_connection(&mut client)
            }
            Some(names) => {
                client.feed(answer);
                let sent = names.iter().map(|name| client.send_named(name)).collect::<Result<Vec<_>, _>>()?;
                client.feed(&with_receipts(rest, &names, &sent));
                self.judge_connection(&mut client)?;
                let frames: Vec<Sent> = sent.into_iter().map(|(frame, _)| frame).collect();
                self.judge_sent(&client, &names, &frames)
            }
        }
    }

    fn sent_names(&self) -> Result<Option<Vec<&'a str>>, String> {
        Ok(self.sent.clone().or(self.expect.maybe_texts("sent")?))
    }

    /// How the connection came about, or did not, and how it ended, or did not.
    fn judge_connection(&self, client: &mut Client) -> Result<(), String> {
        if client.connected().is_none() {
            client.lose();
        }
        let expect = &self.expect;
        same("connected", expect.maybe_text("connected")?, client.connected().map(|it| it.version.as_str()))?;
        self.judge_refusal(client.failed())?;
        self.judge_heart_beat(client)?;
        same("then_error", expect.maybe_text("then_error")?, client.lost().map(|(lost, _)| token(lost)))?;
        if let Some(delivered) = expect.maybe_number("frames_after_error_delivered")? {
            let after = client.lost().map_or(&[][..], |(_, after)| after);
            let found = after.iter().filter(|event| delivers(event)).count();
            same("frames_after_error_delivered", Some(delivered), u64::try_from(found).ok())?;
        }
        self.judge_then(client)
    }

    fn judge_refusal(&self, failed: Option<&Lost>) -> Result<(), String> {
        let (error, refused) = match failed {
            Some(Lost::Refused(error)) => (None, Some(error)),
            other => (other.map(token), None),
        };
        same("error", self.expect.maybe_text("error")?, error)?;
        let message = refused.map(|error| error.message());
        same("rejected", self.expect.maybe_text("rejected")?, message.as_deref())?;
        let Some(expected) = self.expect.maybe_text("server_versions")? else { return Ok(()) };
        let versions = refused.and_then(|error| error.frame().header("version")).map(|text| text.to_string());
        same("server_versions", Some(expected), versions.as_deref())
    }

    fn judge_heart_beat(&self, client: &Client) -> Result<(), String> {
        let fields = self.expect.maybe_fields("heart_beat_ms", &["outgoing", "incoming"])?;
        let Some(fields) = fields else { return Ok(()) };
        let expected =
            HeartBeat { outgoing: fields.number("outgoing")?, incoming: fields.number("incoming")? };
        same("heart_beat_ms", Some(expected), client.connected().map(|connection| connection.heart_beat))
    }

    /// What comes of a frame that has no place, on a connection that goes on.
    fn judge_then(&self, client: &Client) -> Result<(), String> {
        let is_message =
            |event: &&Event| matches!(event, Event::Unroutable(frame) if frame.command() == Command::Message);
        let unroutable = client.events.iter().filter(is_message).count();
        let other = client.events.len() - unroutable - usize::from(client.connected().is_some());
        match self.expect.maybe_text("then")? {
            None => Ok(()),
            Some("unroutable-message-event") if (unroutable, other) == (1, 0) => Ok(()),
            Some("ignored-with-event") if (unroutable, other) == (0, 1) => Ok(()),
            Some(then @ ("unroutable-message-event" | "ignored-with-event")) => {
                Err(format!("then: expected {then}, got the events {:?}", client.events))
            }
            Some(unknown) => Err(format!("malformed row: unknown \"then\": \"{unknown}\"")),
        }
    }

    fn judge_reconnected(&self, mut client: Client, answer: &[u8], rest: &[u8]) -> Result<(), String> {
        client.feed(answer);
        let message = message_of(rest)?;
        let destination = text_of(&message, "destination")?;
        client.subscribe_for(&message, Subscribe::new(destination))?;
        client.feed(rest);
        let first = self.expect.maybe_text("connected")?;
        same("connected", first, client.connected().map(|connection| connection.version.as_str()))?;
        let mut delivery = client.take_message().ok_or("the message was not delivered")?;
        client.reconnect(answer)?;
        self.judge_old_ack(&mut client, &mut delivery)
    }

    fn judge_old_ack(&self, client: &mut Client, delivery: &mut Message) -> Result<(), String> {
        if client.session.connection().is_none_or(|connection| connection.id == delivery.connection()) {
            return Err("there is no second connection".to_owned());
        }
        let Some(expected) = self.expect.maybe_text("ack_of_old_delivery")? else { return Ok(()) };
        let found = match client.session.ack(delivery) {
            Ok(()) => "sent".to_owned(),
            Err(error) => format!("error:{}", command_token(&error)),
        };
        same("ack_of_old_delivery", Some(expected), Some(found.as_str()))?;
        let written = client.take_written();
        let expected = self.expect.maybe_octets("bytes_written_hex")?.unwrap_or_default();
        encode::Expected::Octets(expected).compare(Ok(written))
    }

    /// Which frames were confirmed, which failed, and which wait.
    fn judge_sent(&self, client: &Client, names: &[&str], sent: &[Sent]) -> Result<(), String> {
        let name_of = |frame: Sent| sent.iter().position(|known| *known == frame).map(|at| names[at]);
        let told: Vec<(&str, &Event)> =
            client.outcomes().filter_map(|(frame, event)| Some((name_of(frame)?, event))).collect();
        let confirmed = told.iter().filter(|(_, event)| confirms(event)).map(|(name, _)| *name).collect();
        let expected = self.expect.maybe_texts("completed_in_order")?.unwrap_or_default();
        same("completed_in_order", Some(expected), Some(confirmed))?;
        let failed: Vec<_> = told.iter().filter(|(_, event)| !confirms(event)).copied().collect();
        self.judge_failed(&failed)?;
        let Some(expected) = self.expect.maybe_texts("waiting")? else { return Ok(()) };
        let waits = |name: &&str| told.iter().all(|(other, _)| other != name);
        same("waiting", Some(expected), Some(names.iter().copied().filter(waits).collect()))
    }

    fn judge_failed(&self, failed: &[(&str, &Event)]) -> Result<(), String> {
        let expected = self.expect.maybe("failed", "an object", Value::as_object)?;
        let kind = |name: &str| expected?.get(name)?.as_str();
        if failed.len() != expected.map_or(0, serde_json::Map::len) {
            return Err(format!("failed: expected {expected:?}, got {failed:?}"));
        }
        match failed.iter().find(|(name, event)| !kind(name).is_some_and(|kind| fails_as(event, kind))) {
            Some((name, event)) => Err(format!("failed: expected {name} {:?}, got {event:?}", kind(name))),
            None => Ok(()),
        }
    }
}

/// Rows name receipts as their writer liked; a session names its own. In what the broker says each stands for the other.
fn with_receipts(octets: &[u8], names: &[&str], sent: &[(Sent, Vec<u8>)]) -> Vec<u8> {
    let lines = octets.split(|octet| *octet == b'\n').map(|line| {
        let id = line.strip_prefix(b"receipt-id:").map(|id| id.strip_suffix(b"\r").unwrap_or(id));
        let known = id.and_then(|id| names.iter().position(|name| name.as_bytes() == id));
        match known {
            Some(at) => [b"receipt-id:", &sent[at].1[..]].concat(),
            None => line.to_vec(),
        }
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// An ERROR is a refusal for the frame that it names and the server's error for the connection; rows may use either word.
fn fails_as(event: &Event, kind: &str) -> bool {
    match event {
        Event::SubscriptionEnded { .. } | Event::Receipt { outcome: Outcome::Rejected(_), .. } => {
            matches!(kind, "rejected" | "server-error")
        }
        Event::Receipt { outcome: Outcome::Unknown(_), .. } => kind == "unknown",
        _ => false,
    }
}

/// Whether an event gives the application something that the broker sent.
const fn delivers(event: &Event) -> bool {
    matches!(event, Event::Message(_) | Event::Unroutable(_) | Event::Error(_)) || confirms(event)
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: Option<T>,
    found: Option<T>,
) -> Result<(), String> {
    let shown = |side: &Option<T>| side.as_ref().map_or_else(|| "nothing".to_owned(), |it| format!("{it:?}"));
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {}, got {}", shown(&expected), shown(&found)))
}

/// The row format's name for the end of a connection.
fn token(lost: &Lost) -> &'static str {
    match lost {
        Lost::ClosedBeforeConnected => "closed-before-connected",
        Lost::Eof => "closed",
        Lost::InvalidHeartBeat(_) => "invalid-heart-beat",
        Lost::Protocol(error) => decode::token(error),
        Lost::ServerError(_) | Lost::Refused(_) => "server-error",
        Lost::UnexpectedFrame(_) => "unexpected-frame",
        Lost::VersionMismatch(_) => "version-mismatch",
        _ => "an end that the row format has no name for",
    }
}

pub(super) const ACK_KEYS: [&str; 4] = ["input_hex", "ack_mode", "nack", "expect"];

pub(super) fn judge_ack(row: &Fields<'_>) -> Result<(), String> {
    let mode = row.maybe("ack_mode", "an ack mode", |mode| AckMode::from_name(mode.as_str()?))?;
    let expected = encode::Expected::read(&row.fields("expect", &["bytes_hex", "error"])?)?;
    let input = row.octets("input_hex")?;
    let (version, nack) = (row.version()?, row.flag("nack")?);
    for cut in [Cut::Whole, Cut::Bytewise] {
        let found = acknowledged(version, mode.unwrap_or_default(), &input, nack, cut)?;
        expected.compare(found).map_err(|what| format!("fed {cut:?}: {what}"))?;
    }
    Ok(())
}

/// What a client writes to acknowledge the message, or to refuse it, or why it does not.
fn acknowledged(
    version: Version,
    mode: AckMode,
    input: &[u8],
    nack: bool,
    cut: Cut,
) -> Result<Result<Vec<u8>, String>, String> {
    let mut client = Client::dialled(client::config(vec![version], 0, 0), cut)?;
    client.feed(format!("CONNECTED\nversion:{version}\n\n\0").as_bytes());
    let frame = message_of(input)?;
    client.subscribe_for(&frame, Subscribe::new(text_of(&frame, "destination")?).ack(mode))?;
    client.feed(input);
    let mut message = client.take_message().ok_or("the message was not delivered")?;
    client.take_written();
    let settle = if nack { client.session.nack(&mut message) } else { client.session.ack(&mut message) };
    let written = client.take_written();
    match settle {
        Ok(()) => Ok(Ok(written)),
        Err(error) if written.is_empty() => Ok(Err(command_token(&error).to_owned())),
        Err(error) => Err(format!("{error}, and yet something was written")),
    }
}

fn message_of(octets: &[u8]) -> Result<Frame, String> {
    let found = client::first_frame(Sender::Server, octets).map(|(frame, _)| frame);
    found
        .filter(|frame| frame.command() == Command::Message)
        .ok_or_else(|| "malformed row: no MESSAGE".to_owned())
}

fn text_of(frame: &Frame, name: &str) -> Result<String, String> {
    let text = frame.header(name).and_then(|value| value.text().ok());
    text.map(|text| text.into_owned()).ok_or_else(|| format!("malformed row: a MESSAGE without {name}"))
}

/// The row format's name for a command that was refused.
const fn command_token(error: &CommandError) -> &'static str {
    match error {
        CommandError::Encode(error) => encode::token(*error),
        CommandError::NoAckHeader(_) => "missing-ack-header",
        CommandError::NotAcknowledged => "not-acknowledged",
        CommandError::Stale { .. } => "stale-delivery",
        _ => "a refusal that the row format has no name for",
    }
}
