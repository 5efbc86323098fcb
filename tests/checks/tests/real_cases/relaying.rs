//! What a broker passes on unchanged.

use stomp_session::proto::Version;

use super::{Bench, next, run};
use crate::support::Adapter;

/// Values that each version can say.
pub(super) fn values(version: Version) -> Vec<(&'static str, &'static str)> {
    let mut values = vec![("plain", "value"), ("padded", "in the middle")];
    if version >= Version::V1_1 {
        values.extend([
            ("colon", "a:b"),
            ("backslash", r"a\b\n"),
            ("newline", "a\nb"),
            ("unicode", "grün €"),
        ]);
    }
    if version >= Version::V1_2 {
        values.push(("return", "a\rb"));
    }
    values
}

pub(super) fn relays_headers_and_body<A: Adapter>(bench: &mut Bench<'_>) {
    relays::<A>(bench, &(0..=255).cycle().take(1000).collect::<Vec<u8>>());
}

pub(super) fn relays<A: Adapter>(bench: &Bench<'_>, body: &[u8]) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        // Spring passes on as text what does not say that it is none, whatever octets it holds.
        let content = if str::from_utf8(body).is_ok() { "text/plain" } else { "application/octet-stream" };
        let mut send = client.send(&bench.destination(), body.to_vec()).header("content-type", content);
        for (name, value) in values(bench.version) {
            send = send.header(name, value);
        }
        send.confirmed().await.unwrap();
        let message = next::<A>(&mut messages).await;
        assert_eq!(message.body(), body);
        for (name, value) in values(bench.version) {
            assert_eq!(message.header(name).unwrap(), value, "{name}");
        }
        message.ack().unwrap();
        bench.part(&client).await;
    });
}
