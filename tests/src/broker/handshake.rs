//! CONNECT to CONNECTED: the login, the version and the heart-beats.

use std::sync::Arc;

use stomp_proto::{Frame, HeartBeat, Version};

use super::{
    Broker, ConnectionId,
    refusal::{ErrorClass, Refusal},
    value, write,
};

impl Broker {
    /// Answers a CONNECT. The `host` is not looked at: there is one.
    pub(super) fn handshake(&mut self, connection: ConnectionId, connect: &Frame) -> Result<(), Refusal> {
        if self.version(connection).is_some() {
            return Err(Refusal::new(ErrorClass::AlreadyConnected, String::new()));
        }
        let offered = offered_versions(connect)?;
        let version = negotiate(&offered, &self.config.versions)?;
        self.config.logins.check(connect, offered.iter().any(|version| version.escapes()))?;
        let asked = asked_heart_beat(connect, version)?;
        let login = value(connect, "login")?;
        let client_id = self.client_id(connect)?;
        let mirror = self.config.dialect.mirrored(asked);
        let offer = self.config.heart_beat.unwrap_or(mirror);
        let (now, usual) = (self.now, self.config.server.clone());
        let silent_periods = self.config.dialect.silent_periods();
        let Some(peer) = self.open_connection(connection) else { return Ok(()) };
        let server = peer.server.as_deref().map_or(usual, str::to_owned);
        let agreed = if version > Version::V1_0 { offer.agree(asked) } else { HeartBeat::default() };
        peer.open(version, agreed, silent_periods, now);
        peer.login = login;
        peer.client_id = client_id;
        let session = format!("session-{connection}");
        let shown = self.config.dialect.shows_heart_beat(version, connect.header("heart-beat").is_some());
        let shown = Some(offer).filter(|_| shown);
        self.write(connection, |version, out| write::connected(&server, &session, shown, version, out));
        Ok(())
    }

    /// ActiveMQ: one that is connected cannot be so twice.
    fn client_id(&self, connect: &Frame) -> Result<Option<Arc<str>>, Refusal> {
        let id = value(connect, "client-id")?;
        let is_taken = |_: &&Arc<str>| {
            let mut others = self.connections.values();
            self.config.habits.exclusive_clients && others.any(|peer| !peer.closing && peer.client_id == id)
        };
        let taken = id.as_ref().filter(is_taken);
        match taken {
            None => Ok(id),
            Some(name) => {
                let message = format!("Broker: localhost - Client: {name} already connected");
                let refusal = Refusal::new(ErrorClass::BadLogin, String::new());
                Err(Refusal { message: Some(message), ..refusal })
            }
        }
    }
}

/// 1.1 and 1.2, "Protocol Negotiation": without `accept-version` it is 1.0. Names count to the letter, as on RabbitMQ
/// and ActiveMQ: "1.1, 1.2" is 1.1 and nothing known.
fn offered_versions(connect: &Frame) -> Result<Vec<Version>, Refusal> {
    let Some(names) = value(connect, "accept-version")? else { return Ok(vec![Version::V1_0]) };
    Ok(names.split(',').filter_map(Version::from_name).collect())
}

fn negotiate(offered: &[Version], spoken: &[Version]) -> Result<Version, Refusal> {
    let common = spoken.iter().filter(|version| offered.contains(version)).max();
    common.copied().ok_or_else(|| {
        let names: Vec<_> = spoken.iter().map(|version| version.as_str()).collect();
        let names = names.join(",");
        let detail = format!("Supported versions are {names}\n");
        Refusal { version: Some(names), ..Refusal::new(ErrorClass::NoCommonVersion, detail) }
    })
}

/// What the client offers. 1.0 has no heart-beats.
fn asked_heart_beat(connect: &Frame, version: Version) -> Result<HeartBeat, Refusal> {
    let header = connect.header("heart-beat").filter(|_| version > Version::V1_0);
    let Some(text) = header else { return Ok(HeartBeat::default()) };
    HeartBeat::from_octets(&text.octets()).ok_or_else(|| Refusal::bad("heart-beat"))
}

#[cfg(test)]
mod tests {
    use stomp_proto::Command;

    use super::*;

    #[test]
    fn the_newest_common_version_by_its_exact_name() {
        let rows = [
            (None, Some(Version::V1_0)),
            (Some("1.2"), Some(Version::V1_2)),
            (Some("1.0,1.1"), Some(Version::V1_1)),
            (Some("1.2,1.0"), Some(Version::V1_2)),
            (Some("1.0, 1.1, 1.2"), Some(Version::V1_0)),
            (Some("1.3"), None),
            (Some(""), None),
        ];
        for (header, expected) in rows {
            let connect = Frame::new(Command::Connect);
            let connect = match header {
                Some(names) => connect.with_header("accept-version", names),
                None => connect,
            };
            let version = negotiate(&offered_versions(&connect).unwrap(), &Version::ALL);
            assert_eq!(version.ok(), expected, "{header:?}");
        }
    }

    #[test]
    fn no_common_version_lists_ours() {
        let refusal = negotiate(&[Version::V1_2], &[Version::V1_0, Version::V1_1]).unwrap_err();
        assert_eq!(refusal.version.as_deref(), Some("1.0,1.1"));
    }
}
