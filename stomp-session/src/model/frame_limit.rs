//! What a broker limits of the frames that it reads.

use core::fmt;

/// A limit of a broker on the frames that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameLimit {
    /// What is limited.
    pub unit: FrameUnit,
    /// The largest number.
    pub most: usize,
    /// The name of the broker's setting, if it has one.
    pub setting: Option<&'static str>,
}

/// What of a frame is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameUnit {
    /// The octets of the whole frame, as it is written.
    Octets,
    /// The headers, including those that the session adds.
    Headers,
}

impl FrameLimit {
    /// Creates a limit on the octets of a frame.
    #[must_use]
    pub const fn octets(most: usize) -> Self {
        Self { unit: FrameUnit::Octets, most, setting: None }
    }

    /// Creates a limit on the number of headers of a frame.
    #[must_use]
    pub const fn headers(most: usize) -> Self {
        Self { unit: FrameUnit::Headers, most, setting: None }
    }

    /// Sets the name of the broker's setting.
    #[must_use]
    pub const fn of(mut self, setting: &'static str) -> Self {
        self.setting = Some(setting);
        self
    }
}

impl fmt::Display for FrameLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit == FrameUnit::Octets { "octets" } else { "headers" };
        write!(f, "{} {unit}", self.most)?;
        self.setting.map_or(Ok(()), |setting| write!(f, ", its setting {setting}"))
    }
}
