//! Secrets in SSM Parameter Store.

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use tuckbox_serve::{
    Config, Log, LogFormat,
    secret::{Ask, Secret, SecretError},
};

use crate::extension::{Extension, TOKEN};

const OLD: &str = "redis://:old-hunter2@db.example:6379";
const NEW: &str = "redis://:new-hunter3@db.example:6379";

const LONG: Duration = Duration::from_secs(3600);

/// A secret whose source may be asked again at once.
fn eager(extension: &Extension) -> Secret {
    extension.secret().pause(Duration::ZERO)
}

async fn error(secret: &Secret) -> SecretError {
    secret.get(Ask::Fresh).await.unwrap_err()
}

#[tokio::test]
async fn it_is_asked_for_when_it_is_first_needed_and_then_kept() {
    let extension = Extension::start(OLD);
    let secret = eager(&extension);
    assert_eq!(extension.questions().len(), 0);
    for _ in 0..3 {
        assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    }
    let questions = extension.questions();
    assert_eq!(questions.len(), 1);
    let expected = "GET /systemsmanager/parameters/get?name=%2Flessons%2Fredis-url\
                    &withDecryption=true HTTP/1.1\r\n";
    assert!(questions[0].starts_with(expected), "{}", questions[0]);
    assert!(questions[0].contains(&format!("x-aws-parameters-secrets-token: {TOKEN}\r\n")));
}

#[tokio::test]
async fn one_that_was_changed_is_found_by_whoever_was_refused_with_the_old() {
    let extension = Extension::start(OLD);
    let secret = eager(&extension);
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    extension.set_value(NEW);
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    assert_eq!(secret.get(Ask::Fresh).await.unwrap().expose(), NEW);
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), NEW);
    assert_eq!(extension.questions().len(), 2);
}

#[tokio::test]
async fn one_that_is_old_is_read_again_and_used_on_while_that_fails() {
    let extension = Extension::start(OLD);
    let secret = eager(&extension).max_age(Duration::ZERO);
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    extension.set(500, "an unexpected error occurred while executing request");
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    assert!(matches!(error(&secret).await, SecretError::BadAnswer { status: 500, .. }));
    extension.set_value(NEW);
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), NEW);
}

#[tokio::test]
async fn many_who_are_refused_at_once_ask_once() {
    let extension = Extension::start(OLD);
    let secret = extension.secret().pause(LONG);
    let all: Vec<_> = (0..50)
        .map(|_| {
            let secret = secret.clone();
            tokio::spawn(async move { secret.get(Ask::Fresh).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap().expose(), OLD);
    }
    assert_eq!(extension.questions().len(), 1);
}

#[tokio::test]
async fn those_who_share_a_question_share_its_failure() {
    let extension = Extension::start(OLD);
    extension.set(404, "");
    let secret = extension.secret().pause(LONG);
    let (first, second) = tokio::join!(error(&secret), error(&secret));
    assert!(matches!(first, SecretError::NotFound { .. }), "{first}");
    assert!(matches!(second, SecretError::NotFound { .. }), "{second}");
    assert_eq!(extension.questions().len(), 1);
    error(&secret.pause(Duration::ZERO)).await;
    assert_eq!(extension.questions().len(), 2);
}

#[tokio::test]
async fn a_source_that_was_just_asked_is_left_alone() {
    let extension = Extension::start(OLD);
    let secret = extension.secret().pause(LONG);
    for _ in 0..3 {
        assert_eq!(secret.get(Ask::Fresh).await.unwrap().expose(), OLD);
    }
    assert_eq!(extension.questions().len(), 1);
}

#[tokio::test]
async fn a_slow_extension_is_given_up() {
    let extension = Extension::start(OLD);
    extension.be_silent();
    let secret = eager(&extension).deadline(Duration::from_millis(50));
    let text = error(&secret).await.to_string();
    let expected =
        "REDIS_URL: the SSM parameter \"/lessons/redis-url\" did not answer within 50 ms";
    assert_eq!(text, expected);
    // The one who waited has let the turn go.
    extension.set_value(NEW);
    let secret = secret.deadline(Duration::from_secs(20));
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), NEW);
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let extension = Extension::start(OLD);
    let secret = eager(&extension);
    for (status, body, advice) in [
        (404, "", "make it, or correct REDIS_URL_SSM_PARAMETER"),
        (400, r#"{"__type":"ParameterNotFound"}"#, "there is no SSM parameter"),
        (400, r#"{"Code":"AccessDeniedException"}"#, "give its role ssm:GetParameter"),
        (403, "", "give its role ssm:GetParameter"),
        (400, "not ready to serve traffic, please wait", "while a request is handled"),
        (400, "odd", "answered 400: its log in CloudWatch says more"),
        (200, "{}", "no parameter's value is in it"),
        (200, "no json", "no parameter's value is in it"),
        (200, r#"{"Parameter":{"Value":7}}"#, "no parameter's value is in it"),
        (200, r#"{"Parameter":{"Value":" "}}"#, "\"/lessons/redis-url\" is empty"),
    ] {
        extension.set(status, body);
        let text = error(&secret).await.to_string();
        assert!(
            text.starts_with("REDIS_URL: ") && text.contains(advice),
            "{status} {body}: {text}"
        );
    }
}

#[tokio::test]
async fn without_the_extension_it_says_which_layer_is_missing() {
    let port = {
        // Free again at once, and nobody else is given it so soon.
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
    };
    let secret = Secret::from_lookup("REDIS_URL", |name| match name {
        "REDIS_URL_SSM_PARAMETER" => Some("/lessons/redis-url".to_owned()),
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT" => Some(port.clone()),
        _ => None,
    });
    let error = error(&secret.unwrap().unwrap()).await;
    assert!(matches!(error, SecretError::NoExtension { .. }), "{error}");
    assert!(error.to_string().contains("add its layer to the function"), "{error}");
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_shown_by_the_log_by_errors_or_by_debug() {
    let written = Written::default();
    let config = Config {
        log_format: LogFormat::Json,
        log_level: "trace".parse().unwrap(),
        ..Config::default()
    };
    let log = Log::to(written.clone(), &config).unwrap();
    let _events = tracing::subscriber::set_default(log.subscriber());

    let extension = Extension::start(OLD);
    let secret = eager(&extension).max_age(Duration::ZERO);
    let mut shown = format!("{secret:?} {:?}", secret.get(Ask::Cached).await.unwrap());
    // What it answers is broken, but may hold the secret all the same.
    for (status, body) in [(200, OLD.to_owned()), (500, format!("{OLD} AccessDenied {TOKEN}"))] {
        extension.set(status, &body);
        let error = error(&secret).await;
        shown += &format!("{error} {error:?}");
        assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), OLD);
    }
    assert!(log.flush(Duration::from_secs(20)));
    let logged = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the old one is used"), "{logged}");
    for text in [shown, logged] {
        assert!(!text.contains("hunter2") && !text.contains(TOKEN), "{text}");
    }
}
