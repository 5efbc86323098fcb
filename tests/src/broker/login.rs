//! Who may come in: the login check of CONNECT.

use core::fmt;
use std::{borrow::Cow, collections::BTreeMap};

use stomp_proto::{Frame, Text};

use super::{ErrorClass, refusal::Refusal};

/// The known users, and how a refusal is worded.
#[derive(Clone)]
pub(super) struct Logins {
    passcodes: BTreeMap<String, String>,
    pub(super) anonymous: bool,
    literal: bool,
    as_activemq: bool,
}

impl Default for Logins {
    fn default() -> Self {
        let guest = ("guest".to_owned(), "guest".to_owned());
        let passcodes = BTreeMap::from([guest]);
        Self { passcodes, anonymous: true, literal: false, as_activemq: false }
    }
}

impl Logins {
    pub(super) fn add(&mut self, login: &str, passcode: &str) {
        self.passcodes.insert(login.to_owned(), passcode.to_owned());
    }

    /// Words a refusal as ActiveMQ and Artemis do, instead of as RabbitMQ.
    pub(super) const fn refusing_as_activemq(mut self) -> Self {
        self.as_activemq = true;
        self
    }

    /// Takes the values of CONNECT as they are.
    pub(super) const fn literal(mut self) -> Self {
        self.literal = true;
        self
    }

    /// Checks a CONNECT. `escapes` says whether the client offers a version that knows escapes.
    pub(super) fn check(&self, connect: &Frame, escapes: bool) -> Result<(), Refusal> {
        let value = |name| connect.header(name).map(|text| self.value(text, escapes));
        let Some(login) = value("login") else {
            return if self.anonymous { Ok(()) } else { Err(self.refusal("")) };
        };
        let login = String::from_utf8_lossy(&login);
        let known = self.passcodes.get(&*login).map(String::as_bytes);
        if known.is_some() && known == value("passcode").as_deref() {
            Ok(())
        } else {
            Err(self.refusal(&login))
        }
    }

    /// CONNECT is not escaped by the specification (1.2, "Value Encoding"), yet RabbitMQ and ActiveMQ unescape it.
    fn value<'a>(&self, text: Text<'a>, escapes: bool) -> Cow<'a, [u8]> {
        let octets = text.octets();
        if self.literal || !escapes || !octets.contains(&b'\\') { octets } else { unescape(&octets).into() }
    }

    fn refusal(&self, login: &str) -> Refusal {
        if self.as_activemq {
            let refusal = Refusal::new(ErrorClass::BadLogin, String::new());
            let message = format!("User name [{}] or password is invalid", login.escape_debug());
            let message = if self.literal {
                format!("Security Error occurred: {message}")
            } else {
                format!("{message}.")
            };
            return refusal.saying(message.clone(), message);
        }
        let user = login.escape_debug();
        Refusal::new(ErrorClass::BadLogin, format!("Access refused for user '{user}'\n"))
    }
}

/// Shows who, never with what.
impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.passcodes.keys()).finish()
    }
}

/// Undoes escapes from left to right; what is none stays, as on ActiveMQ.
fn unescape(octets: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(octets.len());
    let mut rest = octets.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        let meant = rest.peek().copied().filter(|_| octet == b'\\').and_then(meaning);
        if meant.is_some() {
            rest.next();
        }
        plain.push(meant.unwrap_or(octet));
    }
    plain
}

const fn meaning(escape: u8) -> Option<u8> {
    match escape {
        b'\\' => Some(b'\\'),
        b'c' => Some(b':'),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use stomp_proto::Command;

    use super::*;

    fn connect(headers: &[(&str, &str)]) -> Frame {
        headers
            .iter()
            .fold(Frame::new(Command::Connect), |frame, (name, value)| frame.with_header(name, value))
    }

    #[test]
    fn who_may_come_in() {
        let mut logins = Logins::default();
        logins.add("back\\slash", "c:d\\");
        let rows: [(&[(&str, &str)], bool); 7] = [
            (&[], true),
            (&[("login", "guest"), ("passcode", "guest")], true),
            (&[("login", "guest"), ("passcode", "wrong")], false),
            (&[("login", "guest")], false),
            (&[("login", ""), ("passcode", "")], false),
            (&[("login", "back\\\\slash"), ("passcode", "c\\cd\\\\")], true),
            (&[("login", "back\\slash"), ("passcode", "c:d\\")], true),
        ];
        for (headers, allowed) in rows {
            assert_eq!(logins.check(&connect(headers), true).is_ok(), allowed, "{headers:?}");
        }
        logins.anonymous = false;
        assert!(logins.check(&connect(&[]), true).is_err());
    }

    #[test]
    fn literal_values_are_not_unescaped() {
        let mut logins = Logins::default().literal();
        logins.add("a\\\\b", "x");
        assert!(logins.check(&connect(&[("login", "a\\\\b"), ("passcode", "x")]), true).is_ok());
    }

    #[test]
    fn no_passcode_in_debug() {
        let mut logins = Logins::default();
        logins.add("alice", "canary");
        let shown = format!("{logins:?}");
        assert!(shown.contains("alice") && !shown.contains("canary"), "{shown}");
    }
}
