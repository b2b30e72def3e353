//! What the environment says.

use std::{net::TcpListener, process::Stdio};

use crate::program::{Program, command};

fn refused(env: &[(&str, &str)]) -> String {
    let output = command(env).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn the_port_is_the_tutorials_unless_another_is_asked_for() {
    // Taken by us, or by somebody else already.
    let _taken = TcpListener::bind("127.0.0.1:3000");
    for port in [None, Some(("PORT", " "))] {
        let env: Vec<_> = [("REDIS_URL", "memory:")].into_iter().chain(port).collect();
        let text = refused(&env);
        assert!(text.contains("port 3000 is already in use"), "{text}");
    }
}

#[test]
fn on_the_own_machine_the_cookie_works_without_https() {
    let cookie = cookie_of(&[]);
    assert!(cookie.starts_with("session="), "{cookie}");
    assert!(cookie.contains("; HttpOnly") && !cookie.contains("Secure"), "{cookie}");
}

#[test]
fn elsewhere_it_is_for_https_only() {
    for env in [("COOKIE_SECURE", "true"), ("BIND", "0.0.0.0")] {
        let cookie = cookie_of(&[env]);
        assert!(cookie.starts_with("__Host-session="), "{cookie}");
        assert!(cookie.contains("; HttpOnly") && cookie.contains("; Secure"), "{cookie}");
    }
}

#[test]
fn it_can_have_another_name() {
    let cookie = cookie_of(&[("SESSION_COOKIE", "connect.sid")]);
    assert!(cookie.starts_with("connect.sid="), "{cookie}");
}

fn cookie_of(env: &[(&str, &str)]) -> String {
    let program = Program::start_with("memory:", env);
    program.browser().get("/foo").header("set-cookie").unwrap().to_owned()
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let memory = ("REDIS_URL", "memory:");
    let text = refused(&[memory, ("COOKIE_SECURE", "yes")]);
    assert_eq!(text, "error: COOKIE_SECURE is \"yes\": use true or false\n");
    let text = refused(&[memory, ("SESSION_COOKIE", "__Host-s")]);
    assert!(text.contains("the session cookie cannot be"), "{text}");
    let text = refused(&[("REDIS_URL", "redi://:hunter2@localhost")]);
    assert!(text.starts_with("error: ") && !text.contains("hunter2"), "{text}");
}

#[test]
fn in_a_sandbox_it_refuses_a_database_that_would_be_lost_with_it() {
    for platform in [("K_SERVICE", "views"), ("AWS_LAMBDA_FUNCTION_NAME", "views")] {
        for url in ["", "file:./data", "memory:"] {
            let text = refused(&[platform, ("REDIS_URL", url)]);
            assert!(text.contains("would not last here") && text.contains("rediss://"), "{text}");
        }
    }
    // A volume that lasts is the operator's word. Nobody has given this one.
    let env =
        [("K_SERVICE", "views"), ("DATA_VOLUME", "persistent"), ("REDIS_URL", "file:/proc/x")];
    let text = refused(&env);
    assert!(!text.contains("would not last here"), "{text}");
}
