//! A broker may repeat what the client has sent: the passcode is taken out of what is shown.

use alloc::{borrow::ToOwned, collections::BTreeSet, string::String, vec::Vec};

use super::endpoint::Login;

/// Fragments of this length are taken out. Shorter ones occur in any text.
const FRAGMENT: usize = 4;

/// What must not be shown.
#[derive(Default)]
pub(crate) struct Mask {
    fragments: BTreeSet<[u8; FRAGMENT]>,
    /// Whole passcodes that are shorter.
    short: Vec<Vec<u8>>,
}

impl Mask {
    /// The mask for the passcodes of these logins, and for the headers of their handshakes. A login itself is no secret.
    pub(crate) fn of<'a>(logins: impl IntoIterator<Item = &'a Login>) -> Self {
        Self::of_secrets(logins.into_iter().flat_map(Login::secrets))
    }

    /// The mask for these texts.
    pub(crate) fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut mask = Self::default();
        for secret in secrets.into_iter().map(str::as_bytes) {
            let fragments =
                secret.windows(FRAGMENT).filter_map(|window| <[u8; FRAGMENT]>::try_from(window).ok());
            mask.fragments.extend(fragments);
            if !secret.is_empty() && secret.len() < FRAGMENT {
                mask.short.push(secret.to_owned());
            }
        }
        mask
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
            (from, found) = (end.max(from), true);
        }
        out.extend_from_slice(text.get(from..)?);
        found.then_some(out)
    }

    /// The places of all fragments, in order. They may overlap.
    fn places(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let found = |size: usize, is_secret: &dyn Fn(&[u8], usize) -> bool| {
            let windows = text.windows(size).enumerate().filter(|(at, window)| is_secret(window, *at));
            windows.map(|(at, _)| (at, at.saturating_add(size))).collect::<Vec<_>>()
        };
        let mut places = found(FRAGMENT, &|window, _| {
            window.try_into().is_ok_and(|it| self.fragments.contains::<[u8; FRAGMENT]>(&it))
        });
        for short in &self.short {
            let size = short.len();
            places.extend(found(size, &|window, at| {
                window == short && is_apart(text, at, at.saturating_add(size))
            }));
        }
        places.sort_unstable();
        places
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

    #[test]
    fn fragments_of_several_passcodes_are_hidden() {
        let logins = ["canary-own", "canary-2c1", "pin", ""].map(|passcode| Login::new("user", passcode));
        let mask = Mask::of(&logins);
        let hide = |text: &str| mask.hide(text);
        assert_eq!(hide("canary-own, canary-2c1 and pin").as_deref(), Some("***, *** and ***"));
        assert_eq!(hide("canary-owncanary-2c1 spin").as_deref(), Some("*** spin"));
        assert_eq!(hide("nothing of it"), None);
    }

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
