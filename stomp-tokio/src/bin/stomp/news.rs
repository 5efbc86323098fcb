//! What happens on a connection while a command runs, said on stderr.

use std::sync::{Arc, Mutex, PoisonError};

use stomp_tokio::{Frame, Listener, Lost, Notice};

use crate::{frames, output::Output, secrets::Secrets};

/// What a command may want to know of it in the end.
#[derive(Clone, Default)]
pub(crate) struct News(Arc<Mutex<Heard>>);

#[derive(Clone, Default)]
struct Heard {
    first_error: Option<String>,
    last_failure: Option<String>,
}

impl News {
    fn note(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn heard(&self) -> Heard {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The words of the first ERROR, or of the end of a connection.
    pub(crate) fn first_error(&self) -> Option<String> {
        self.heard().first_error
    }

    /// Why the latest attempt to connect failed.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.heard().last_failure
    }

    /// Says what happens until the session ends.
    pub(crate) async fn tell(self, mut listener: Listener, output: Output, secrets: Secrets) {
        let mut teller =
            Teller { news: self, output, secrets, lost: false, leaving: false, told_failure: false };
        while let Some(notice) = listener.next().await {
            teller.hear(notice);
        }
    }
}

struct Teller {
    news: News,
    output: Output,
    secrets: Secrets,
    lost: bool,
    leaving: bool,
    /// One failed attempt of an outage is enough.
    told_failure: bool,
}

impl Teller {
    fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::Sent(frame) => self.frame(">>>", &frame),
            Notice::Received(frame) => self.frame("<<<", &frame),
            Notice::HeartBeatSent => self.output.complain(">>> (heart-beat)"),
            Notice::HeartBeatReceived => self.output.complain("<<< (heart-beat)"),
            Notice::Disconnecting => self.leaving = true,
            Notice::Disconnected { reason: Lost::ServerError(error), .. } if self.leaving => {
                self.error(format!("the broker says: {error}"));
            }
            Notice::Disconnected { .. } | Notice::ConnectFailed { .. } if self.leaving => {}
            Notice::Disconnected { reason, .. } => {
                (self.lost, self.told_failure) = (true, false);
                self.error(format!("the connection was lost, connecting again: {reason}"));
            }
            Notice::ConnectFailed { endpoint, reason } => self.failed(format!("{endpoint}: {reason}")),
            Notice::Connected(connection) if self.lost => {
                self.lost = false;
                self.output.news(format_args!("connected again, to {}", connection.endpoint));
            }
            Notice::Error(error) => {
                self.error(format!("the broker says: {error}"));
            }
            Notice::Resubscribing { reason, delay, .. } => {
                self.output.news(format_args!("{reason}; subscribing again in {:.1} s", delay.as_secs_f64()));
            }
            Notice::TooLarge { excess, .. } => {
                self.output.news(format_args!("a message is too large: {excess}"))
            }
            Notice::Missed(number) => self.output.news(format_args!("{number} notices were missed")),
            _ => {}
        }
    }

    fn failed(&mut self, words: String) {
        if self.lost && !self.told_failure {
            self.output.news(&words);
        }
        self.told_failure = true;
        self.news.note(|heard| heard.last_failure = Some(words));
    }

    fn error(&mut self, words: String) {
        self.output.news(&words);
        self.news.note(|heard| _ = heard.first_error.get_or_insert(words));
    }

    fn frame(&self, arrow: &str, frame: &Frame) {
        self.output.complain(format_args!("{arrow} {}", frames::shown(frame, &self.secrets)));
    }
}
