//! Passwords.

use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Reply, cmd};
use tuckbox_server::{Config, Password, Server, ServerError};

use crate::running::{Running, text};

fn guarded() -> Running {
    let mut config = Config::default();
    config.password = Some(Password::new(b"open sesame"));
    Running::with(config)
}

#[test]
fn without_the_password_nothing_can_be_done() {
    let server = guarded();
    let mut connection = server.connect();
    let refused = Reply::error("NOAUTH Authentication required.");
    assert_eq!(connection.call(&cmd!("GET", "a")), refused);
    assert_eq!(connection.call(&cmd!("MULTI")), refused);
    assert!(text(connection.call(&cmd!("HELLO", 3))).starts_with("NOAUTH HELLO must be called"));
    assert!(text(connection.call(&cmd!("AUTH", "wrong"))).starts_with("WRONGPASS"));
    assert!(text(connection.call(&cmd!("AUTH", "else", "open sesame"))).starts_with("WRONGPASS"));
    assert_eq!(connection.call(&cmd!("GET", "a")), refused);
    assert_eq!(connection.call(&cmd!("AUTH", "open sesame")), Reply::OK);
    assert_eq!(connection.call(&cmd!("GET", "a")), Reply::Null);
}

#[test]
fn hello_logs_in_and_reset_logs_out() {
    let server = guarded();
    let mut connection = server.connect();
    let hello = connection.call(&cmd!("HELLO", 3, "AUTH", "default", "open sesame"));
    assert!(matches!(hello, Reply::Map(_)), "{hello:?}");
    assert_eq!(connection.call(&cmd!("GET", "a")), Reply::Null);
    assert_eq!(connection.call(&cmd!("RESET")), Reply::Simple("RESET".into()));
    assert!(text(connection.call(&cmd!("GET", "a"))).starts_with("NOAUTH"));
}

#[test]
fn strangers_cannot_make_the_server_hold_much() {
    let server = guarded();
    for (request, answer) in [
        ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
        ("*2\r\n$4\r\nAUTH\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"),
    ] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        assert_eq!(String::from_utf8_lossy(&connection.read_to_end()), answer);
    }
}

#[test]
fn a_password_can_be_set_while_the_server_runs_and_is_never_told() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "requirepass", "hidden")), Reply::OK);
    assert!(!format!("{:?}", connection.call(&cmd!("CONFIG", "GET", "*"))).contains("hidden"));
    assert!(text(server.ask(&cmd!("GET", "a"))).starts_with("NOAUTH"));
    let mut other = server.connect();
    assert_eq!(other.call(&cmd!("AUTH", "hidden")), Reply::OK);
}

#[test]
fn a_password_that_could_not_be_sent_is_not_set() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    for password in [vec![0xff], vec![b'x'; 16 * 1024 + 1]] {
        let refused = text(connection.call(&cmd!("CONFIG", "SET", "requirepass", password)));
        assert!(refused.starts_with("ERR CONFIG SET failed"), "{refused}");
    }
    assert_eq!(server.ask(&cmd!("GET", "a")), Reply::Null);
}

#[test]
fn an_address_for_everybody_needs_a_password() {
    let mut config = Config::default();
    config.listen = "0.0.0.0:0".parse().unwrap();
    let bind = |config: &Config| {
        Server::bind(Engine::in_memory(Options::default()).unwrap(), config.clone()).map(|_| ())
    };
    assert!(matches!(bind(&config), Err(ServerError::Unprotected(_))));
    config.password = Some(Password::new(b"secret"));
    assert!(bind(&config).is_ok());
}
