//! CONNECT out, CONNECTED in: which version, which heart-beats, which broker.

use alloc::{string::ToString, sync::Arc};

use stomp_proto::{Frame, HeartBeat, Version};

use crate::model::{
    config::Config,
    endpoint::{Endpoint, Login},
    error::Lost,
    frames::{self, Agreement},
    profile::{ConnectEscaping, Profile},
};

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
    let escape = escaping(config, endpoint) == ConnectEscaping::Backslash;
    let value = |text: &str| if escape { text.replace('\\', "\\\\") } else { text.to_string() };
    let mut frame = frames::connect(&config.versions, &value(endpoint.virtual_host()), config.heart_beat());
    let headers = frame.headers_mut();
    if let Some(login) = login {
        if let Some(name) = login.login() {
            headers.push("login", value(name));
        }
        if let Some(passcode) = login.passcode() {
            headers.push("passcode", value(passcode));
        }
    }
    for (name, text) in config.connect_headers() {
        headers.push(name, value(text));
    }
    frame
}

/// Reads a CONNECTED: what was agreed on, and with whom.
pub(crate) fn connected(
    config: &Config,
    endpoint: &Endpoint,
    frame: &Frame,
) -> Result<(Agreement, Arc<Profile>), Lost> {
    // A broker that pads the numbers means nothing else, and is not given up for that.
    let mut agreed = frames::agreement(frame, &config.versions, HeartBeat::from_padded)?;
    let known = || agreed.server.as_deref().map_or(Profile::UNKNOWN, Profile::of_server).shared();
    let profile = config.shared_profile_for(endpoint).cloned().unwrap_or_else(known);
    let ours = config.heart_beat();
    let both = ours.agree(agreed.heart_beat);
    // 1.0 knows no heart-beats. What we send harms nobody; what does not come proves nothing.
    agreed.heart_beat = match agreed.version {
        Version::V1_0 if profile.unasked_beats => HeartBeat { outgoing: ours.outgoing, incoming: 0 },
        Version::V1_0 => HeartBeat { incoming: 0, ..both },
        _ => both,
    };
    Ok((agreed, profile))
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

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
        config.profile = Some(Profile::ARTEMIS.into());
        assert_eq!(passcode(&config), r"p\\ss");
        config.profile = None;
        config.versions = alloc::vec![Version::V1_0];
        assert_eq!(passcode(&config), r"p\\ss", "1.0 has no escapes at all");
    }
}
