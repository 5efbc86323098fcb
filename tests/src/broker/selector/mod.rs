//! Selectors: the conditions of JMS, a subset of SQL-92, about the headers of a message.

use core::fmt;

mod ast;
mod evaluate;
mod like;
mod parse;
mod token;

pub(super) use evaluate::Value;

use ast::Expression;
use evaluate::Scope;
use token::Token;

/// What the value of a header, which STOMP knows as text alone, is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    /// A number or a truth if the other side is one, as on ActiveMQ.
    Converted,
    /// Texts alone, as on Artemis.
    Texts,
}

/// A condition about headers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector {
    condition: Expression,
    typing: Typing,
    unknown_name: Option<&'static str>,
}

/// What JMS defines and this broker does not know.
const UNKNOWN_NAMES: [&str; 5] =
    ["JMSDestination", "JMSMessageID", "JMSRedelivered", "JMSXDeliveryCount", "JMSXGroupID"];

/// A selector that is none, and where in it that shows, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SelectorError {
    pub(super) position: usize,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the selector cannot be understood from octet {} on", self.position)
    }
}

impl Selector {
    pub(super) fn new(text: &str, typing: Typing) -> Result<Self, SelectorError> {
        let condition = parse::parse(text)?;
        let words = token::tokens(text)?;
        let is_used = |name: &&str| words.iter().any(|(_, word)| *word == Token::Name((*name).to_owned()));
        Ok(Self { condition, typing, unknown_name: UNKNOWN_NAMES.into_iter().find(is_used) })
    }

    /// A name in it that JMS defines and this broker does not know.
    pub(super) const fn unknown_name(&self) -> Option<&'static str> {
        self.unknown_name
    }

    /// Whether it is true for the headers that this function knows.
    pub(super) fn accepts<'v>(&'v self, header: impl Fn(&str) -> Option<Value<'v>>) -> bool {
        let scope = Scope { typing: self.typing, header: &header };
        scope.truth(&self.condition) == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'v>(name: &str) -> Option<Value<'v>> {
        let text = |text: &'static str| Some(Value::Text(text.into()));
        match name {
            "n" => text("7"),
            "k" => text("abc"),
            "quote" => text("it's"),
            "b" => text("true"),
            "JMSPriority" => Some(Value::Integer(4)),
            _ => None,
        }
    }

    fn accepts(selector: &str, typing: Typing) -> Option<bool> {
        Selector::new(selector, typing).ok().map(|selector| selector.accepts(header))
    }

    /// These were put before ActiveMQ 5.17, which answers the same.
    #[test]
    fn what_selectors_accept() {
        let rows = [
            ("n", Some(false)),
            ("n + 1 = 8", Some(false)),
            ("1 < 2", Some(true)),
            ("n = 7.0", Some(true)),
            ("n <> 7", Some(false)),
            ("NOT n = 7", Some(false)),
            ("n IN ('7')", Some(true)),
            ("n IN ('7','8')", Some(true)),
            ("k LIKE 'a_c' ", Some(true)),
            ("k LIKE 'a!%' ESCAPE '!'", Some(false)),
            ("x IS NULL", Some(true)),
            ("x = 1 OR n = 7", Some(true)),
            ("x <> 1", Some(false)),
            ("n > '5'", None),
            ("'7' = n", Some(true)),
            ("n = 0x7", Some(true)),
            ("n=7L", Some(true)),
            ("k = \"abc\"", None),
            ("n NOT BETWEEN 8 AND 9", Some(true)),
            ("-n = -7", Some(false)),
            ("n == 7", None),
            ("n != 7", None),
            ("b = TRUE", Some(true)),
            ("n > 5 ) ", None),
            ("n BETWEEN '1' AND '9'", None),
            ("n in (7)", None),
            ("JMSPriority > 3", Some(true)),
            ("bad bad", None),
            ("", None),
            ("n > 5 AND k IS NULL", Some(false)),
        ];
        for (selector, expected) in rows {
            assert_eq!(accepts(selector, Typing::Converted), expected, "{selector}");
        }
    }

    #[test]
    fn what_more_selectors_accept() {
        let rows = [
            ("quote = 'it''s'", Some(true)),
            ("quote IS NOT NULL and not (n = 8 or k = 'x')", Some(true)),
            ("NOT x = 1", Some(false)),
            ("x = 1 AND n = 8", Some(false)),
            ("NOT (x = 1 AND n = 8)", Some(true)),
            ("NOT (x = 1 OR n = 8)", Some(false)),
            ("JMSPriority * 2 + 1 = 9", Some(true)),
            ("JMSPriority - 2 - 1 = 1", Some(true)),
            ("JMSPriority / 0 = 1", Some(false)),
            ("JMSPriority / .5 >= 8.0E0", Some(true)),
            ("9223372036854775807 + 1 > 0", Some(false)),
            ("k BETWEEN 1 AND 2", Some(false)),
            ("k NOT LIKE '%z%'", Some(true)),
            ("k LIKE 'a' ESCAPE 'ab'", None),
            ("k LIKE 'a!' ESCAPE '!'", None),
            ("n + 1", None),
            ("'text'", None),
            ("TRUE", Some(true)),
            ("n = 'unclosed", None),
            ("7 IS NULL", None),
            ("n = 7x", None),
            ("n = 1e", None),
            ("AND", None),
            ("n = 7 AND", None),
            ("(n = 7", None),
            ("+'a' = 'a'", None),
        ];
        for (selector, expected) in rows {
            assert_eq!(accepts(selector, Typing::Converted), expected, "{selector}");
        }
    }

    #[test]
    fn without_conversion_a_header_is_a_text() {
        let rows = [("n > 5", false), ("n = 7", false), ("n = '7'", true), ("b = TRUE", false)];
        for (selector, expected) in rows {
            assert_eq!(accepts(selector, Typing::Texts), Some(expected), "{selector}");
        }
    }

    #[test]
    fn nothing_that_is_nested_or_long_does_harm() {
        for (open, close) in [("(", ")"), ("NOT ", ""), ("-", ""), ("+", ""), ("-(", ")")] {
            let selector = |depth| format!("{}n{} = 7", open.repeat(depth), close.repeat(depth));
            assert!(Selector::new(&selector(20), Typing::Converted).is_ok(), "{open}");
            assert!(Selector::new(&selector(100_000), Typing::Converted).is_err(), "{open}");
        }
        for join in [" OR ", " AND "] {
            let selector = vec!["n = 7"; 50_000].join(join);
            assert_eq!(accepts(&selector, Typing::Converted), Some(true));
        }
        let sum = format!("1{} > 5", " + 1".repeat(100_000));
        assert_eq!(accepts(&sum, Typing::Converted), Some(true));
    }
}
