//! JSON bodies.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::{request::RequestBuilder, send::SendBuilder};

/// An error returned when a value cannot be written as JSON, or a body cannot be read as JSON.
///
/// It shows the position of the error, but nothing of the body or of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The body is not JSON.
    #[error("the body is not JSON: line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The value cannot be written, because its `Serialize` failed or a map has keys that are not strings.
    #[error("the value cannot be written as JSON")]
    Unwritable,
    /// The body is JSON, but not of the requested type.
    #[error("the body is not of the requested type: line {line}, column {column}")]
    WrongType {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
}

impl JsonError {
    /// What serde says may repeat the body: it is left out.
    fn of_reading(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => Self::WrongType { line, column },
            Category::Eof | Category::Io | Category::Syntax => Self::Syntax { line, column },
        }
    }
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    serde_json::to_vec(value).map_err(|_| JsonError::Unwritable)
}

/// RFC 8259, section 11.
const JSON: &str = "application/json";

impl SendBuilder {
    /// Replaces the body with a value as JSON, and sets `content-type` to `application/json`.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Serialize)]
    /// struct Order { item: &'static str, count: u32 }
    ///
    /// client.send("/queue/orders", "").json(&Order { item: "coffee", count: 2 })?.confirmed().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns [`JsonError::Unwritable`] if the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, JsonError> {
        Ok(self.body(written(value)?).header("content-type", JSON))
    }
}

impl RequestBuilder {
    /// Replaces the body with a value as JSON, and sets `content-type` to `application/json`.
    ///
    /// # Errors
    /// Returns [`JsonError::Unwritable`] if the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, JsonError> {
        Ok(self.body(written(value)?).header("content-type", JSON))
    }
}

impl crate::Message {
    /// Reads the body as JSON, whatever its `content-type` is. The value may borrow from the message.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Order<'a> { item: &'a str, count: u32 }
    ///
    /// let mut orders = client.subscribe("/queue/orders").await?;
    /// while let Some(message) = orders.next().await {
    ///     let order: Order<'_> = message.json()?;
    ///     println!("{} of {}", order.count, order.item);
    ///     message.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns [`JsonError::Syntax`] if the body is not JSON, or [`JsonError::WrongType`] if it is not of this type.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        serde_json::from_slice(self.body()).map_err(|error| JsonError::of_reading(&error))
    }
}
