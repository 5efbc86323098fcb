//! The words of refusals, as each broker says them, and what becomes of the RECEIPT that was asked for.

use stomp_proto::{Command, Frame};

use super::{
    dialect::Dialect,
    refusal::{ErrorClass, Refusal},
};

impl Dialect {
    /// Whether the ERROR of a refused frame names its receipt.
    pub(super) fn names_receipt(self, command: Command) -> bool {
        !(self == Self::Artemis && command == Command::Subscribe)
    }
}

/// What a refused frame gets besides its ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    After,
    Before,
    Never,
}

impl Dialect {
    /// The refusal of a frame in the words of the broker, unless it has words of its own.
    pub(super) fn worded(self, frame: &Frame, refusal: Refusal) -> Refusal {
        if refusal.message.is_some() || refusal.silent {
            return refusal;
        }
        match self {
            Self::ActiveMq => of_activemq(frame, refusal),
            Self::RabbitMq => of_rabbitmq(frame, refusal),
            Self::Artemis => of_artemis(frame, refusal),
            Self::Plain => refusal,
        }
    }

    /// RabbitMQ's STOMP plugin receipts what the broker behind it refuses later.
    pub(super) const fn receipts_refused(self, command: Command, class: ErrorClass) -> Receipt {
        match (self, command, class) {
            (Self::RabbitMq, Command::Ack | Command::Nack, ErrorClass::UnknownAck) => Receipt::Before,
            (
                Self::RabbitMq,
                Command::Subscribe,
                ErrorClass::DuplicateSubscription | ErrorClass::Impossible | ErrorClass::Locked,
            ) => Receipt::After,
            _ => Receipt::Never,
        }
    }
}

/// The value of a header, as it can be quoted.
fn quoted(frame: &Frame, name: &str) -> String {
    frame.header(name).map_or_else(String::new, |value| value.to_string())
}

fn of_rabbitmq(frame: &Frame, refusal: Refusal) -> Refusal {
    let command = frame.command();
    let (message, detail) = match (refusal.class, refusal.header) {
        (ErrorClass::MissingHeader, Some("id")) if command == Command::Unsubscribe => (
            "Missing destination or id",
            "UNSUBSCRIBE must include a 'destination' or 'id' header".to_owned(),
        ),
        (ErrorClass::MissingHeader, Some(name @ ("destination" | "transaction"))) => {
            let message = if name == "destination" { "Missing destination" } else { "Missing transaction" };
            (message, format!("\"{command}\" must include a '{name}' header\n"))
        }
        (ErrorClass::MissingHeader, Some(name)) => {
            ("Missing header", format!("\"{command}\" must include the \"{name}\" header\n"))
        }
        (ErrorClass::BadHeader, Some(name @ ("id" | "message-id"))) => {
            ("Invalid header", format!("\"{command}\" must include a valid \"{name}\" header\n"))
        }
        (ErrorClass::BadHeader, Some("ack" | "heart-beat")) => {
            ("Processing error", "Processing error".to_owned())
        }
        (ErrorClass::AlreadyConnected, _) => return refusal.silent(),
        (ErrorClass::NotConnected, _) => {
            ("Illegal command", "You must log in using CONNECT first".to_owned())
        }
        (ErrorClass::UnknownTransaction, _) => {
            let name = quoted(frame, "transaction");
            ("Bad transaction", format!("Invalid transaction identifier: \"{name}\"\n"))
        }
        (ErrorClass::UnknownAck, _) => {
            let id = [quoted(frame, "id"), quoted(frame, "message-id")].concat();
            let tag = id.rsplit("@@").next().unwrap_or_default();
            ("precondition_failed", format!("PRECONDITION_FAILED - unknown delivery tag {tag}"))
        }
        (ErrorClass::DuplicateSubscription, _) => {
            let detail = format!("A subscription identified by 'T_{}' already exists.", quoted(frame, "id"));
            ("Duplicated subscription identifier", detail)
        }
        (ErrorClass::UnknownSubscription, _) if command == Command::Unsubscribe => {
            let id = quoted(frame, "id");
            let detail = format!(
                "UNSUBSCRIBE must refer to an existing subscription.\nSubscription to \"id='{id}'\" not found.\n"
            );
            ("No subscription found", detail)
        }
        _ => return refusal,
    };
    refusal.saying(message, detail)
}

fn of_artemis(frame: &Frame, refusal: Refusal) -> Refusal {
    let command = frame.command();
    let is_ack = matches!(command, Command::Ack | Command::Nack);
    let message = match (refusal.class, refusal.header) {
        (ErrorClass::MissingHeader, Some("destination")) if command == Command::Send => {
            "AMQ339031 Error handling send".to_owned()
        }
        (ErrorClass::BadHeader, Some("destination")) => {
            format!("AMQ339016 Error creating subscription {}", quoted(frame, "id"))
        }
        (ErrorClass::BadHeader, Some("heart-beat")) => {
            let text = quoted(frame, "heart-beat");
            format!("For input string: \"{}\"", text.split(',').next().unwrap_or_default())
        }
        (ErrorClass::MissingHeader, Some("id")) if is_ack => {
            "AMQ339039 No id header in ACK/NACK frame.".to_owned()
        }
        (ErrorClass::MissingHeader, Some("id")) => "AMQ339037 Must specify the subscription's id".to_owned(),
        (ErrorClass::MissingHeader, Some("transaction")) if command == Command::Begin => {
            "AMQ339032 Need a transaction id to begin".to_owned()
        }
        (ErrorClass::UnknownAck, _) => {
            let id = [quoted(frame, "id"), quoted(frame, "message-id")].concat();
            format!("AMQ339018 Error acknowledging message {id}")
        }
        (ErrorClass::UnknownTransaction, _) if command == Command::Commit => {
            format!("AMQ339013 Error committing {}", quoted(frame, "transaction"))
        }
        (ErrorClass::UnknownTransaction, _) => {
            format!("No transaction started: {}", quoted(frame, "transaction"))
        }
        (ErrorClass::DuplicateTransaction, _) => {
            format!("Transaction already started: {}", quoted(frame, "transaction"))
        }
        (ErrorClass::UnknownSubscription, _) => {
            format!("Cannot unsubscribe as no subscription exists for id: {}", quoted(frame, "id"))
        }
        (ErrorClass::DuplicateSubscription, _) => format!(
            "There already is a subscription for: {}. Either use unique subscription IDs or do not create multiple \
             subscriptions for the same destination",
            quoted(frame, "id")
        ),
        (ErrorClass::NoCommonVersion, _) => {
            let versions = quoted(frame, "accept-version");
            let detail = "Supported protocol versions are v1.0 v1.1 v1.2";
            let refusal =
                refusal.saying(format!("AMQ339002 Stomp versions not supported {versions}"), detail);
            return Refusal { unannounced: true, ..refusal };
        }
        _ => return refusal,
    };
    refusal.saying(message, "").bare()
}

fn of_activemq(frame: &Frame, refusal: Refusal) -> Refusal {
    let command = frame.command();
    let transaction = || quoted(frame, "transaction");
    let message = match (refusal.class, refusal.header) {
        (ErrorClass::MissingHeader, Some("destination")) if command == Command::Send => {
            "SEND received without a Destination specified!".to_owned()
        }
        (ErrorClass::MissingHeader, Some("destination")) => {
            "Invalid empty or 'null' Destination header".to_owned()
        }
        (ErrorClass::MissingHeader, Some("id")) if matches!(command, Command::Ack | Command::Nack) => {
            format!("{command} received without a ack id for acknowledge!")
        }
        (ErrorClass::MissingHeader, Some("id")) => format!("{command} received without a subscription id!"),
        (ErrorClass::MissingHeader, Some("transaction")) if command == Command::Begin => {
            "Must specify the transaction you are beginning".to_owned()
        }
        (ErrorClass::BadHeader, Some("heart-beat")) => {
            format!("Invalid heart-beat header:{}", quoted(frame, "heart-beat"))
        }
        (ErrorClass::NoCommonVersion, _) => format!(
            "Invalid Protocol version[{}], supported versions are: [1.2, 1.1, 1.0]",
            quoted(frame, "accept-version")
        ),
        (ErrorClass::AlreadyConnected, _) => "Already connected.".to_owned(),
        (ErrorClass::NotConnected, _) => "Not connected.".to_owned(),
        (ErrorClass::DuplicateTransaction, _) => {
            format!("The transaction was already started: {}", transaction())
        }
        (ErrorClass::UnknownTransaction, _) => format!("Invalid transaction id: {}", transaction()),
        (ErrorClass::UnknownAck, _) => {
            let id = frame.header("message-id").map_or_else(|| "null".to_owned(), |id| id.to_string());
            format!("Unexpected {command} received for message-id [{id}]")
        }
        (ErrorClass::UnknownSubscription, _) => "No subscription matched.".to_owned(),
        _ => return refusal,
    };
    let detail = format!("org.apache.activemq.transport.stomp.ProtocolException: {message}");
    // What is wrong in a CONNECT ends its connection.
    let class = if command == Command::Connect && refusal.class == ErrorClass::BadHeader {
        ErrorClass::BadLogin
    } else {
        refusal.class
    };
    Refusal { class, version: None, ..refusal }.saying(message, detail)
}
