//! The options that all commands have, and the kinds of values of the others.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

/// What every command takes. Nothing of it is ever shown: a URI may hold a passcode.
#[derive(Args)]
pub(crate) struct Options {
    /// The broker, or failover:(uri,uri)
    #[arg(short, long, global = true, env = "STOMP_URI", hide_env_values = true, value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// The login; its passcode: STOMP_PASSCODE
    #[arg(long, global = true, env = "STOMP_LOGIN", hide_env_values = true, value_name = "NAME")]
    pub(crate) login: Option<String>,
    /// A file whose first line is the passcode
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passcode_file: Option<PathBuf>,
    /// Certificates to trust beside those of the system (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Vec<PathBuf>,
    /// The certificate of this client (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "key_file")]
    pub(crate) cert_file: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "cert_file")]
    pub(crate) key_file: Option<PathBuf>,
    /// The client-id of durable subscriptions
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The longest wait for an answer
    #[arg(short, long, global = true, default_value = "30s", value_name = "TIME")]
    pub(crate) timeout: Span,
    /// Try to connect until --timeout, not once
    #[arg(long, global = true)]
    pub(crate) wait: bool,
    /// The largest body that is received, in octets
    #[arg(long, global = true, default_value_t = 128 << 20, hide_default_value = true, value_name = "SIZE")]
    pub(crate) max_body: u64,
    /// JSON for machines on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no news and no progress
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print all frames, without secrets, to stderr
    #[arg(long, global = true)]
    pub(crate) frames: bool,
}

/// A time: "30", "1.5s", "250ms", "5m", "1h".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let seconds = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(format!("the units are ms, s, m and h, not {unit:?}")),
        };
        let number: f64 =
            number.parse().map_err(|_| "a time is a number and a unit, such as 30s".to_owned())?;
        Duration::try_from_secs_f64(number * seconds).map(Self).map_err(|error| error.to_string())
    }
}

/// A header: "name:value". Both may have the escapes of STOMP 1.2: `\n`, `\r`, `\c` and `\\`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("a header is NAME:VALUE")?;
        if name.is_empty() {
            return Err("the name is missing before the ':'".into());
        }
        Ok(Self { name: unescape(name)?, value: unescape(value)? })
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('c') => ':',
                Some('\\') => '\\',
                _ => return Err(r"after a backslash comes n, r, c or a backslash".into()),
            },
            letter => letter,
        });
    }
    Ok(plain)
}

/// A condition on a header: "name=value", or "name" if any value will do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            Err("a condition is NAME=VALUE or NAME".into())
        } else {
            Ok(Self { name: name.into(), value })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let rows = [("30", 30_000), ("1.5s", 1_500), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, milliseconds) in rows {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(milliseconds))), "{text}");
        }
        for wrong in ["", "s", "-1s", "5 parsecs", "1e400"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_split_at_the_first_colon() {
        let rows = [
            ("a:b", "a", "b"),
            ("a:", "a", ""),
            ("a:b:c", "a", "b:c"),
            (r"a\cb:c\nd\\", "a:b", "c\nd\\"),
            ("a:two\nlines", "a", "two\nlines"),
        ];
        for (text, name, value) in rows {
            assert_eq!(text.parse(), Ok(Header { name: name.into(), value: value.into() }), "{text}");
        }
        for wrong in ["", "a", ":b", r"a:\t", r"a:\"] {
            assert!(wrong.parse::<Header>().is_err(), "{wrong}");
        }
    }
}
