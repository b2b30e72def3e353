//! Secrets in the environment and in files.

use std::{fs, path::PathBuf, time::Duration};

use tuckbox_serve::secret::{Ask, Secret, SecretError};

/// A file of this test alone, removed at its end.
struct Mounted(PathBuf);

impl Mounted {
    fn new(name: &str, text: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn secret(&self) -> Secret {
        let path = self.0.display().to_string();
        let secret =
            Secret::from_lookup("TOKEN", |name| (name == "TOKEN_FILE").then(|| path.clone()));
        secret.unwrap().unwrap().pause(Duration::ZERO)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_environment_holds_the_secret_itself() {
    let secret = Secret::from_lookup("TOKEN", |name| (name == "TOKEN").then(|| " x ".to_owned()));
    let secret = secret.unwrap().unwrap();
    assert_eq!(secret.get(Ask::Fresh).await.unwrap().expose(), "x");
    assert_eq!(secret.fixed().unwrap().expose(), "x");
}

#[test]
fn without_a_variable_there_is_no_secret() {
    assert!(Secret::from_lookup("TOKEN", |_| None).unwrap().is_none());
    assert!(Secret::from_lookup("TOKEN", |_| Some(" ".to_owned())).unwrap().is_none());
}

#[test]
fn two_variables_for_one_secret_are_refused() {
    let error = Secret::from_lookup("TOKEN", |_| Some("x".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "TOKEN and TOKEN_FILE are both set: unset one of them");
}

#[tokio::test]
async fn a_file_is_read_when_it_is_needed_and_again_when_that_is_asked_for() {
    let file = Mounted::new("secret-read", b"first\n");
    let secret = file.secret();
    assert!(secret.fixed().is_none());
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), "first");
    fs::write(&file.0, "second\r\n").unwrap();
    assert_eq!(secret.get(Ask::Cached).await.unwrap().expose(), "first");
    assert_eq!(secret.get(Ask::Fresh).await.unwrap().expose(), "second");
}

#[tokio::test]
async fn a_file_that_holds_no_secret_is_named() {
    for (text, what) in [
        (&b" \n"[..], "is empty"),
        (b"a\nb", "is more than one line"),
        (b"\xff", "is no UTF-8 text"),
        (&[b'x'; (64 << 10) + 1], "is too long for a secret"),
    ] {
        let file = Mounted::new("secret-unusable", text);
        let error = file.secret().get(Ask::Cached).await.unwrap_err();
        assert!(matches!(error, SecretError::Unusable { .. }), "{error}");
        let expected = format!("TOKEN: the file {} {what}", file.0.display());
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    let file = Mounted::new("secret-missing", b"");
    let secret = file.secret();
    drop(file);
    let error = secret.get(Ask::Cached).await.unwrap_err();
    assert!(error.to_string().contains("is the secret mounted there?"), "{error}");
}
