//! JSON bodies.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use stomp_checks::sim::Sim;
use stomp_proto::{Command, Frame};
use stomp_session::{
    Message,
    client::{Delivery, JsonError},
};

use crate::kit::{config, settings};

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Order<'a> {
    item: &'a str,
    count: u32,
}

const ORDER: Order<'static> = Order { item: "coffee", count: 2 };

#[test]
fn a_value_goes_there_and_back() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let mut orders = client.subscribe("/queue/orders").await.unwrap();
        let send = client.send("/queue/orders", "x").header("content-type", "text/plain");
        send.json(&ORDER).unwrap().confirmed().await.unwrap();
        let message = orders.next().await.unwrap();
        assert_eq!(message.header_str("content-type").as_deref(), Some("application/json"));
        assert_eq!(message.json(), Ok(ORDER));
        message.ack().unwrap();

        let answering = client.clone();
        let answer = async move |request: Delivery| {
            let Order { count, .. } = request.json().map_err(|error| error.to_string())?;
            let reply =
                answering.reply(&request, "").json(&(count * 2)).map_err(|error| error.to_string())?;
            reply.await.map_err(|error| error.to_string())
        };
        let done = client.clone();
        let runner = orders.handle(answer).until(async move {
            let reply = done.request("/queue/orders", "").json(&ORDER).unwrap().await.unwrap();
            assert_eq!(reply.json(), Ok(4));
        });
        assert_eq!(runner.run().await.unwrap().handled, 1);
    });
}

/// What serde says of a value that it did not expect repeats the value.
#[test]
fn an_error_says_where_and_shows_nothing_of_the_body() {
    let message = |body: &str| Message::detached(Frame::new(Command::Message).with_body(body.to_owned()));
    for (body, expected) in [
        ("{\"item\":\"a\",\n\"count\":\"canary\"}", JsonError::WrongType { line: 2, column: 16 }),
        ("{\"canary\":1}", JsonError::WrongType { line: 1, column: 12 }),
        ("canary", JsonError::Syntax { line: 1, column: 1 }),
        ("", JsonError::Syntax { line: 1, column: 0 }),
    ] {
        let error = message(body).json::<Order<'_>>().unwrap_err();
        assert_eq!(error, expected);
        let mut shown = format!("{error:?}");
        write!(shown, "{error}").unwrap();
        assert!(!shown.contains("canary"), "{shown}");
    }
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    sim.settle();
    let unwritable = BTreeMap::from([((1, 2), "canary")]);
    assert_eq!(client.send("/queue/a", "").json(&unwritable).map(|_| ()), Err(JsonError::Unwritable));
}
