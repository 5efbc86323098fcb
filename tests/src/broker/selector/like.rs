//! The patterns of LIKE: `_` is any character, and `%` any number of them.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Any,
    Character(char),
    One,
}

impl Pattern {
    /// Reads a pattern in which `escape` takes its meaning from the character that follows. Returns `None` if none follows.
    pub(super) fn new(text: &str, escape: Option<char>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            parts.push(match character {
                _ if Some(character) == escape => Part::Character(characters.next()?),
                '%' => Part::Any,
                '_' => Part::One,
                _ => Part::Character(character),
            });
        }
        Some(Self(parts))
    }

    /// Whether a text has this pattern. The time is at most the product of their lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // The latest `%`, and where it ends for the time being.
        let mut any: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    any = Some((part, at));
                    part += 1;
                }
                Some(Part::One) => (part, at) = (part + 1, at + 1),
                Some(Part::Character(character)) if text.get(at) == Some(character) => {
                    (part, at) = (part + 1, at + 1);
                }
                _ => {
                    let Some((start, end)) = any else { return false };
                    any = Some((start, end + 1));
                    (part, at) = (start + 1, end + 1);
                }
            }
        }
        self.0.get(part..).unwrap_or_default().iter().all(|part| *part == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_what() {
        let rows = [
            ("12%3", None, "123", true),
            ("12%3", None, "12993", true),
            ("12%3", None, "1234", false),
            ("l_se", None, "lose", true),
            ("l_se", None, "loose", false),
            ("!_%", Some('!'), "_foo", true),
            ("!_%", Some('!'), "bar", false),
            ("", None, "", true),
            ("%", None, "", true),
            ("_", None, "é", true),
            ("%a%b%", None, "xxaxxbxx", true),
            ("%a%b", None, "xxaxxbxx", false),
            ("!!", Some('!'), "!", true),
        ];
        for (pattern, escape, text, expected) in rows {
            let read = Pattern::new(pattern, escape).unwrap();
            assert_eq!(read.matches(text), expected, "{text:?} LIKE {pattern:?}");
        }
        assert_eq!(Pattern::new("a!", Some('!')), None);
    }

    #[test]
    fn many_wildcards_take_no_time() {
        let pattern = Pattern::new(&"%a".repeat(1_000), None).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(2_000))));
    }
}
