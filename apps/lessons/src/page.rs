//! The page for people, and its forms. It needs no script.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::civil::DateTime;
use serde::Deserialize;
use tuckbox_sessions::Session;

use crate::{App, Invalid, LessonSlug, Login, UserId, api, problem::Problem, progress::Completed};

/// Nothing but the page's own style and icon, and its forms to this app. What
/// a person types into the browser's console may ask this app too, as the
/// tutorial does.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    who: Who,
    error: Option<String>,
    /// Whether the error is about what was typed.
    typed_is_wrong: bool,
    typed: Fields,
    login_is_open: bool,
}

/// Who looks at the page.
enum Who {
    /// Somebody who is logged in, with the lessons if they could be loaded.
    User(UserId, Option<Vec<Completed>>),
    /// Nobody who is logged in.
    Nobody,
    /// The store did not say: this is not "nobody".
    Unknown,
}

/// What the page's forms send.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Fields {
    user_id: String,
    lesson_slug: String,
}

/// A form; one that cannot be read counts as empty.
type Sent = Result<Form<Fields>, FormRejection>;

/// `GET /`. Two store commands with a session, none without.
pub(crate) async fn show(State(app): State<App>, session: Session) -> Response {
    respond(&app, &session, Fields::default(), None).await
}

/// `POST /page/login`.
pub(crate) async fn log_in(State(app): State<App>, session: Session, sent: Sent) -> Response {
    let typed = sent.map(|Form(fields)| fields).unwrap_or_default();
    let result = match UserId::parse(&typed.user_id) {
        Ok(user) => api::start_session(&app, &session, &user).await,
        Err(invalid) => Err(invalid.into()),
    };
    match result {
        Ok(()) => Redirect::to("/").into_response(),
        Err(problem) => respond(&app, &session, typed, Some(problem)).await,
    }
}

/// `POST /page/mark-complete`. The browser scrolls to the lesson in the list.
pub(crate) async fn mark_complete(
    State(app): State<App>,
    session: Session,
    sent: Sent,
) -> Response {
    let typed = sent.map(|Form(fields)| fields).unwrap_or_default();
    match mark(&app, &session, &typed.lesson_slug).await {
        Ok(slug) => Redirect::to(&format!("/#lesson-{}", slug.as_str())).into_response(),
        Err(problem) => respond(&app, &session, typed, Some(problem)).await,
    }
}

async fn mark(app: &App, session: &Session, slug: &str) -> Result<LessonSlug, Problem> {
    let user = api::logged_in(session).await?;
    let slug = LessonSlug::parse(slug)?;
    app.progress.complete(&user, &slug, &app.now()).await.map_err(Problem::Save)?;
    Ok(slug)
}

/// `POST /page/logout`.
pub(crate) async fn log_out(State(app): State<App>, session: Session) -> Response {
    match api::end_session(&session).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(problem) => respond(&app, &session, Fields::default(), Some(problem)).await,
    }
}

/// `GET` of a form's address, which a browser shows after an error: to the page.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/")
}

/// The page, with a problem when there is one; its status is the problem's.
async fn respond(
    app: &App,
    session: &Session,
    typed: Fields,
    problem: Option<Problem>,
) -> Response {
    let (who, trouble) = match &problem {
        // Until it is stored, the session says what was asked for, not what is.
        Some(Problem::Login(_)) => (Who::Nobody, None),
        Some(Problem::Session(_) | Problem::Logout(_)) => (Who::Unknown, None),
        _ => load(app, session).await,
    };
    for problem in [&problem, &trouble].into_iter().flatten() {
        problem.log();
    }
    let problem = problem.or(trouble);
    let page = Page {
        who,
        error: problem.as_ref().map(words),
        typed_is_wrong: matches!(problem, Some(Problem::Invalid(_))),
        typed,
        login_is_open: app.login == Login::Open,
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    match page.render() {
        Ok(html) => (status, HEADERS, Html(html)).into_response(),
        Err(error) => Problem::Page(error).into_response(),
    }
}

async fn load(app: &App, session: &Session) -> (Who, Option<Problem>) {
    match api::logged_in(session).await {
        Ok(user) => match app.progress.completed(&user).await {
            Ok(lessons) => (Who::User(user, Some(lessons)), None),
            Err(error) => (Who::User(user, None), Some(Problem::Load(error))),
        },
        Err(Problem::LoggedOut) => (Who::Nobody, None),
        Err(problem) => (Who::Unknown, Some(problem)),
    }
}

/// The problem as a person is told.
fn words(problem: &Problem) -> String {
    match problem {
        Problem::LoggedOut => "You are not logged in any more. Log in and try again.".to_owned(),
        Problem::Invalid(Invalid::Missing(name)) => format!("Please type the {}.", name.words()),
        Problem::Session(_) => "We could not check who you are...".to_owned(),
        other => other.to_string(),
    }
}

/// A stored time as a person reads it; as it is if it is not one.
fn spoken(time: &str) -> String {
    match (time.trim_end_matches('Z').parse::<DateTime>(), time.get("2022-10-12T02:01:14".len()..))
    {
        (Ok(local), Some("Z")) => local.strftime("%-d %b %Y, %H:%M UTC").to_string(),
        (Ok(local), Some(offset)) => {
            format!("{} UTC{offset}", local.strftime("%-d %b %Y, %H:%M"))
        }
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn a_time_is_spoken_in_its_own_offset() {
        assert_eq!(spoken("2022-10-12T02:01:14+03:00"), "12 Oct 2022, 02:01 UTC+03:00");
        assert_eq!(spoken("2022-10-02T14:01:59Z"), "2 Oct 2022, 14:01 UTC");
    }

    #[test]
    fn what_is_no_time_is_shown_as_it_is() {
        for text in ["", "yesterday", "2022-10-12", "é022-10-12T02:01:14Z"] {
            assert_eq!(spoken(text), text);
        }
    }
}
