//! redis-rs against the server.

use std::collections::HashMap;

use redis::{Client, Commands as _, ErrorKind, ServerErrorKind};

use crate::running::Running;

fn keeps_data(protocol: &str) {
    let server = Running::on_disk();
    let url = format!("redis://127.0.0.1:{}/2?protocol={protocol}", server.port);
    let mut connection = Client::open(url).unwrap().get_connection().unwrap();

    let () = connection.set_ex("greeting", "grüße", 100).unwrap();
    assert_eq!(connection.get::<_, String>("greeting").unwrap(), "grüße");
    let () = connection.hset_multiple("user:1", &[("name", "Ada"), ("born", "1815")]).unwrap();
    let user: HashMap<String, String> = connection.hgetall("user:1").unwrap();
    assert_eq!((user.len(), &*user["name"]), (2, "Ada"));

    let mut pipe = redis::pipe();
    (0..500).for_each(|_| _ = pipe.incr("counter", 1));
    let counts: Vec<u32> = pipe.query(&mut connection).unwrap();
    assert!(counts.into_iter().eq(1..=500));

    let (n,): (u32,) =
        redis::pipe().atomic().set("a", 1).ignore().incr("a", 1).query(&mut connection).unwrap();
    assert_eq!(n, 2);

    let error = connection.hlen::<_, u32>("greeting").unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let error = connection.incr::<_, _, u32>("greeting", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));

    let keys: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
    assert_eq!(keys.len(), 4);
}

#[test]
fn redis_rs_keeps_data_in_resp2() {
    keeps_data("resp2");
}

#[test]
fn redis_rs_keeps_data_in_resp3() {
    keeps_data("resp3");
}
