//! What is done to a session, read from octets.

/// What is done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Acknowledges one of the messages.
    Ack(u8),
    /// Lets the dial succeed, once there is one.
    Dial,
    /// Disconnects.
    Disconnect,
    /// The broker says something.
    Hear(u8, u8),
    /// Sends at least once, ordered or not, or takes one of these back.
    Keep(u8),
    /// The connection, or the dial, fails.
    Lose,
    /// Refuses one of the messages.
    Nack(u8),
    /// Lets that number of milliseconds pass, without stopping on the way.
    Pass(u16),
    /// Stops reading, or reads again.
    Pause(bool),
    /// Sends, with or without a receipt.
    Send(bool),
    /// Subscribes.
    Subscribe(u8),
    /// Begins a transaction, or does something in one.
    Transact(u8),
    /// Ends one of the subscriptions.
    Unsubscribe(u8),
    /// Lets time pass to the next deadline.
    Wait,
    /// Takes what the session has to write.
    Write,
}

impl Step {
    /// The step that three octets mean.
    #[must_use]
    pub const fn read(octets: [u8; 3]) -> Self {
        let [kind, a, b] = octets;
        match kind % 28 {
            0 | 1 => Self::Ack(a),
            2 => Self::Nack(a),
            3 | 4 => Self::Dial,
            5..=12 => Self::Hear(a, b),
            13 if a < 64 => Self::Lose,
            14 => Self::Pass(a as u16 * 8),
            15 => Self::Pause(a % 2 == 0),
            16 | 17 => Self::Send(a % 2 == 0),
            18 | 19 => Self::Subscribe(a),
            20 if a < 128 => Self::Unsubscribe(a),
            21 => Self::Wait,
            // Rarely: nothing much happens afterwards.
            22 if a < 16 => Self::Disconnect,
            23 | 24 => Self::Keep(a),
            25 | 26 => Self::Transact(a),
            _ => Self::Write,
        }
    }
}
