//! CONNECT out, CONNECTED in: which version, which heart-beats, which broker.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use stomp_proto::{Command, Frame, HeartBeat, Version};

use crate::{Config, ConnectEscaping, Endpoint, Login, Lost, Profile};

/// What a CONNECTED says.
#[derive(Debug)]
pub(crate) struct Agreement {
    pub(crate) version: Version,
    pub(crate) heart_beat: HeartBeat,
    pub(crate) server: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) profile: Profile,
}

/// Whether backslashes in a CONNECT to that endpoint are doubled.
pub(crate) fn escaping(config: &Config, endpoint: &Endpoint) -> ConnectEscaping {
    let profile = config.profile_for(endpoint).unwrap_or(&Profile::UNKNOWN);
    match config.versions.iter().max() {
        Some(newest) if newest.escapes() => profile.connect_escaping,
        _ => ConnectEscaping::Literal,
    }
}

/// The CONNECT for that endpoint. Nothing of the escaping is visible in the frame: CONNECT is written raw.
pub(crate) fn connect(config: &Config, endpoint: &Endpoint, login: Option<&Login>) -> Frame {
    let newest = config.versions.iter().max().copied().unwrap_or(Version::V1_0);
    let escape = escaping(config, endpoint) == ConnectEscaping::Backslash;
    let value = |text: &str| if escape { text.replace('\\', "\\\\") } else { text.to_string() };
    let mut frame = Frame::new(Command::Connect);
    let headers = frame.headers_mut();
    if newest.escapes() {
        headers.push("accept-version", accept_version(&config.versions));
    }
    headers.push("host", value(endpoint.virtual_host()));
    if let Some(login) = login {
        headers.push("login", value(login.login()));
        headers.push("passcode", value(login.passcode()));
    }
    if newest.escapes() {
        headers.push("heart-beat", config.heart_beat().to_string());
    }
    for (name, text) in config.connect_headers() {
        headers.push(name, value(text));
    }
    frame
}

/// Oldest first and without blanks: RabbitMQ, ActiveMQ and Artemis match each name exactly, blanks included.
fn accept_version(versions: &[Version]) -> String {
    let mut versions: Vec<_> = versions.to_vec();
    versions.sort_unstable();
    versions.dedup();
    versions.iter().map(|version| version.as_str()).collect::<Vec<_>>().join(",")
}

/// Reads a CONNECTED.
pub(crate) fn connected(config: &Config, endpoint: &Endpoint, frame: &Frame) -> Result<Agreement, Lost> {
    let text =
        |name: &str| frame.header(name).map(|value| String::from_utf8_lossy(&value.octets()).into_owned());
    // 1.1 and 1.2, "Protocol Negotiation": no version header means 1.0.
    let named = text("version").unwrap_or_else(|| Version::V1_0.to_string());
    let offered = |version: &Version| config.versions.contains(version);
    let version = Version::from_name(&named).filter(offered).ok_or(Lost::VersionMismatch(named))?;
    let server = text("server");
    let known = || server.as_deref().map_or(Profile::UNKNOWN, Profile::of_server);
    let profile = config.profile_for(endpoint).cloned().unwrap_or_else(known);
    let heart_beat = heart_beat(config, frame, version, profile.unasked_beats)?;
    Ok(Agreement { version, heart_beat, session: text("session"), profile, server })
}

fn heart_beat(config: &Config, frame: &Frame, version: Version, unasked: bool) -> Result<HeartBeat, Lost> {
    let theirs = match frame.header("heart-beat") {
        None => HeartBeat::default(),
        Some(value) => HeartBeat::from_octets(&value.octets())
            .ok_or_else(|| Lost::InvalidHeartBeat(value.to_string()))?,
    };
    let ours = config.heart_beat();
    let agreed = ours.agree(theirs);
    // 1.0 knows no heart-beats. What we send harms nobody; what does not come proves nothing.
    Ok(match version {
        Version::V1_0 if unasked => HeartBeat { outgoing: ours.outgoing, incoming: 0 },
        Version::V1_0 => HeartBeat { incoming: 0, ..agreed },
        _ => agreed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("tcp://h".parse().unwrap())
    }

    fn passcode(config: &Config) -> String {
        let login = Login::new("me", r"p\ss");
        let frame = connect(config, &config.brokers.endpoints[0], Some(&login));
        frame.header("passcode").unwrap().to_string()
    }

    #[test]
    fn a_backslash_in_a_passcode() {
        let mut config = config();
        assert_eq!(passcode(&config), r"p\\\\ss", "written twice, shown escaped");
        config.profile = Some(Profile::ARTEMIS);
        assert_eq!(passcode(&config), r"p\\ss");
        config.profile = None;
        config.versions = alloc::vec![Version::V1_0];
        assert_eq!(passcode(&config), r"p\\ss", "1.0 has no escapes at all");
    }

    #[test]
    fn versions_are_offered_in_order_without_blanks() {
        use Version::{V1_0, V1_1, V1_2};
        assert_eq!(accept_version(&[V1_2, V1_0, V1_1, V1_2]), "1.0,1.1,1.2");
    }

    #[test]
    fn what_connected_agrees_on() {
        let rows = [
            (None, Ok(Version::V1_0)),
            (Some("1.1"), Ok(Version::V1_1)),
            (Some("1.3"), Err(())),
            (Some(" 1.2"), Err(())),
            (Some("1.1,1.2"), Err(())),
        ];
        for (version, expected) in rows {
            let mut frame = Frame::new(Command::Connected);
            version.into_iter().for_each(|version| frame.headers_mut().push("version", version));
            let agreed = connected(&config(), &"tcp://h".parse().unwrap(), &frame);
            assert_eq!(agreed.map(|agreed| agreed.version).map_err(|_| ()), expected);
        }
    }
}
