//! The words of a selector.

use super::{SelectorError, ast::Literal};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Keyword(Keyword),
    Literal(Literal),
    Name(String),
    /// One of `( ) , = <> < <= > >= + - * /`.
    Sign(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Between,
    Escape,
    In,
    Is,
    Like,
    Not,
    Null,
    Or,
}

/// Longer ones first.
const SIGNS: [&str; 13] = ["<>", "<=", ">=", "(", ")", ",", "=", "<", ">", "+", "-", "*", "/"];

const KEYWORDS: [(&str, Keyword); 9] = [
    ("AND", Keyword::And),
    ("BETWEEN", Keyword::Between),
    ("ESCAPE", Keyword::Escape),
    ("IN", Keyword::In),
    ("IS", Keyword::Is),
    ("LIKE", Keyword::Like),
    ("NOT", Keyword::Not),
    ("NULL", Keyword::Null),
    ("OR", Keyword::Or),
];

/// Cuts a selector into words, each with the position in octets at which it begins.
pub(super) fn tokens(selector: &str) -> Result<Vec<(usize, Token)>, SelectorError> {
    let mut tokens = Vec::new();
    let mut rest = selector.trim_start();
    while let Some(first) = rest.chars().next() {
        let position = selector.len() - rest.len();
        let unknown = || SelectorError { position };
        let (token, after) = if first == '\'' {
            text(rest).ok_or_else(unknown)?
        } else if is_start(first) {
            word(rest)
        } else if first.is_ascii_digit() || is_fraction(rest) {
            number(rest).ok_or_else(unknown)?
        } else {
            sign(rest).ok_or_else(unknown)?
        };
        tokens.push((position, token));
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A text in quotes; a quote within it is doubled.
fn text(rest: &str) -> Option<(Token, &str)> {
    let mut text = String::new();
    let mut rest = rest.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        text.push_str(part);
        let Some(more) = after.strip_prefix('\'') else {
            return Some((Token::Literal(Literal::Text(text)), after));
        };
        text.push('\'');
        rest = more;
    }
}

fn word(rest: &str) -> (Token, &str) {
    let end = rest.find(|character| !is_start(character) && !character.is_numeric());
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    let keyword = KEYWORDS.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    let token = match keyword {
        Some((_, keyword)) => Token::Keyword(keyword),
        None if word.eq_ignore_ascii_case("TRUE") => Token::Literal(Literal::Truth(true)),
        None if word.eq_ignore_ascii_case("FALSE") => Token::Literal(Literal::Truth(false)),
        None => Token::Name(word.to_owned()),
    };
    (token, after)
}

/// The letters of a Java identifier.
fn is_start(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '_' | '$')
}

fn is_fraction(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|after| after.starts_with(|first: char| first.is_ascii_digit()))
}

/// As Java writes numbers: `7`, `0x1F`, `7L`, `7.5`, `.5`, `7E3`, `7.5f`.
fn number(rest: &str) -> Option<(Token, &str)> {
    let is_hex = rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if is_hex {
        let digits = rest.get(2..)?;
        let end = digits.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(digits.len());
        let value = i64::from_str_radix(digits.get(..end)?, 16).ok()?;
        return ended(Literal::Integer(value), digits.get(end..)?, &['l', 'L']);
    }
    let digits = |from: usize| {
        let more = rest.get(from..).unwrap_or_default();
        from + more.find(|character: char| !character.is_ascii_digit()).unwrap_or(more.len())
    };
    let at = |position: usize| rest.as_bytes().get(position).copied().unwrap_or_default();
    let whole = digits(0);
    let mut end = if at(whole) == b'.' { digits(whole + 1) } else { whole };
    if matches!(at(end), b'e' | b'E') {
        let start = end + 1 + usize::from(matches!(at(end + 1), b'+' | b'-'));
        end = digits(start).max(end);
        if end == start {
            return None;
        }
    }
    let text = rest.get(..end)?;
    if end == whole && !matches!(at(end), b'f' | b'F' | b'd' | b'D') {
        return ended(Literal::Integer(text.parse().ok()?), rest.get(end..)?, &['l', 'L']);
    }
    ended(Literal::Real(text.parse().ok()?), rest.get(end..)?, &['f', 'F', 'd', 'D'])
}

/// A number may end with a letter for its type, and not with any other.
fn ended<'a>(value: Literal, rest: &'a str, types: &[char]) -> Option<(Token, &'a str)> {
    let rest = rest.strip_prefix(types).unwrap_or(rest);
    let goes_on = rest.starts_with(|character: char| is_start(character) || character.is_numeric());
    (!goes_on).then_some((Token::Literal(value), rest))
}

fn sign(rest: &str) -> Option<(Token, &str)> {
    SIGNS.into_iter().find_map(|sign| Some((Token::Sign(sign), rest.strip_prefix(sign)?)))
}
