//! What a broker says may repeat what we have sent it: our passcode is taken out of what is shown.

use alloc::{borrow::ToOwned, collections::BTreeSet, string::String, vec::Vec};

use super::endpoint::Login;

/// Fragments so long are taken out: shorter ones stand in any text.
const FRAGMENT: usize = 4;

/// What must not be shown.
#[derive(Default)]
pub(crate) struct Mask {
    fragments: BTreeSet<[u8; FRAGMENT]>,
    /// A whole passcode that is shorter.
    short: Option<Vec<u8>>,
}

impl Mask {
    /// That of a login's passcode. The login itself is no secret.
    pub(crate) fn of(login: Option<&Login>) -> Self {
        let passcode = login.and_then(Login::passcode).unwrap_or_default().as_bytes();
        let fragments = passcode.windows(FRAGMENT).filter_map(|window| window.try_into().ok()).collect();
        let is_short = !passcode.is_empty() && passcode.len() < FRAGMENT;
        Self { fragments, short: is_short.then(|| passcode.to_owned()) }
    }

    /// The text with "***" for each fragment of the passcode; `None` if there is none in it.
    pub(crate) fn hide(&self, text: &str) -> Option<String> {
        let hidden = self.hide_octets(text.as_bytes())?;
        Some(String::from_utf8_lossy(&hidden).into_owned())
    }

    pub(crate) fn hide_octets(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut from, mut found) = (0_usize, false);
        for (start, end) in self.places(text) {
            if start > from || !found {
                out.extend_from_slice(text.get(from..start)?);
                out.extend_from_slice(b"***");
            }
            (from, found) = (end, true);
        }
        out.extend_from_slice(text.get(from..)?);
        found.then_some(out)
    }

    /// Where fragments stand, in order; they may overlap.
    fn places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let size = self.short.as_ref().map_or(FRAGMENT, Vec::len);
        let windows = text.windows(size).enumerate();
        windows
            .map(move |(at, window)| (at, at.saturating_add(size), window))
            .filter(move |(start, end, window)| match &self.short {
                Some(short) => short == window && is_apart(text, *start, *end),
                None => {
                    (*window).try_into().is_ok_and(|window: [u8; FRAGMENT]| self.fragments.contains(&window))
                }
            })
            .map(|(start, end, _)| (start, end))
    }
}

/// Whether what stands there is a word of its own.
fn is_apart(text: &[u8], start: usize, end: usize) -> bool {
    let is_letter = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    !is_letter(start.checked_sub(1).and_then(|at| text.get(at))) && !is_letter(text.get(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(passcode: &str, text: &str) -> String {
        Mask::of(Some(&Login::new("user", passcode))).hide(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn fragments_of_a_passcode_are_hidden() {
        let rows = [
            ("s3cr3t/@x", "user 'user', passcode 's3cr3t/@x'", "user 'user', passcode '***'"),
            ("s3cr3t", "passcode s3cr3t and cr3t", "passcode *** and ***"),
            ("s3cr3t", "s3c", "s3c"),
            ("s3cr3ts3cr3t", "xs3cr3ts3cr3ty", "x***y"),
            ("x", "exact x", "exact ***"),
            ("", "nothing", "nothing"),
            ("geheimnis", "geh geheim nis heimnis", "geh *** nis ***"),
        ];
        for (passcode, text, expected) in rows {
            assert_eq!(hidden(passcode, text), expected, "{passcode}");
        }
    }
}
