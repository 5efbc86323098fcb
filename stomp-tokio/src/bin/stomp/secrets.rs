//! What must not be shown: where the login comes from, and where it is hidden again.

use std::{env, fs, path::Path};

use stomp_tokio::Login;

use crate::{exit::Failure, options::Options};

/// The passcodes that this process knows.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    known: Vec<String>,
}

impl Secrets {
    /// Reads the login from the options, the environment and a file.
    pub(crate) fn login(&mut self, options: &Options) -> Result<Option<Login>, Failure> {
        let passcode = match &options.passcode_file {
            Some(file) => Some(first_line(file)?),
            None => env::var("STOMP_PASSCODE").ok(),
        };
        self.known.extend(passcode.clone().filter(|passcode| !passcode.is_empty()));
        match (&options.login, passcode) {
            (Some(login), Some(passcode)) => Ok(Some(Login::new(login, passcode))),
            (Some(login), None) => Ok(Some(Login::without_passcode(login))),
            // A login in the URI has its passcode there.
            (None, Some(_)) if options.uri.as_ref().is_some_and(|uri| uri.contains('@')) => Ok(None),
            (None, Some(_)) => {
                Err(Failure::usage("a passcode without a login: give --login or set STOMP_LOGIN"))
            }
            (None, None) => Ok(None),
        }
    }

    /// Notes the passcodes in a URI, which may name several brokers.
    pub(crate) fn note_uri(&mut self, uri: &str) {
        for part in uri.split("//").skip(1) {
            let authority = part.split([',', '/', '?', ')']).next().unwrap_or_default();
            if let Some((_, passcode)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'))
            {
                self.known.extend([passcode.to_owned(), percent_decoded(passcode)]);
            }
        }
        self.known.retain(|secret| !secret.is_empty());
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// Whether the value of a header with this name is a secret, whoever has sent it.
    pub(crate) fn is_secret(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        ["passcode", "password", "passwd", "secret", "token", "authorization", "cookie", "api-key"]
            .iter()
            .any(|word| name.contains(word))
    }
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::io(file.display(), &error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn percent_decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let code = others.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = code.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        octets.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passcodes_of_uris_are_hidden() {
        let mut secrets = Secrets::default();
        secrets.note_uri("failover:(tcp://me:pa%3Ass@a:1,ssl://you:word@b)?maxReconnectDelay=5");
        assert_eq!(secrets.hide("pa%3Ass pa:ss word me you"), "*** *** *** me you");
    }

    #[test]
    fn a_uri_without_a_passcode_hides_nothing() {
        let mut secrets = Secrets::default();
        ["tcp://a:61613", "tcp://me@a", "tcp://me:@a", "nonsense"]
            .iter()
            .for_each(|uri| secrets.note_uri(uri));
        assert_eq!(secrets.hide("tcp://me@a:61613"), "tcp://me@a:61613");
    }
}
