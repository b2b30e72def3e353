//! The tutorial's routes, in JSON.

use axum::{
    Form, Json,
    extract::{
        Path, Query, State,
        rejection::{FormRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Redirect},
};
use serde::{Deserialize, Serialize, Serializer};
use tuckbox_sessions::{Session, SessionError};

use crate::{
    App, Invalid, LessonSlug, Login, Name, UserId, app::NO_STORE, problem::Problem,
    progress::Completed,
};

/// The fields of a login, in the query.
type LoginQuery = Result<Query<LoginFields>, QueryRejection>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginFields {
    #[serde(default)]
    user_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LessonsBody {
    #[serde(serialize_with = "as_object")]
    lessons: Vec<Completed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MarkedBody {
    lesson_slug: String,
    last_completed: String,
}

fn as_object<S: Serializer>(lessons: &[Completed], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(lessons.iter().map(|(slug, time)| (slug.to_str(), time.to_str())))
}

/// `GET /login?userId=…`. Two store commands in one round trip.
pub(crate) async fn log_in(
    State(app): State<App>,
    session: Session,
    fields: LoginQuery,
) -> Result<Redirect, Problem> {
    // A query that cannot be read has no user id.
    let user_id = fields.map(|Query(fields)| fields.user_id).unwrap_or_default();
    let user = UserId::parse(&user_id)?;
    start_session(&app, &session, &user).await?;
    // 303, so that a POST is followed by a GET.
    Ok(Redirect::to("/lessons/completed"))
}

/// `POST /login`: the user id is in the form, or else in the query.
pub(crate) async fn log_in_by_form(
    app: State<App>,
    session: Session,
    query: LoginQuery,
    form: Result<Form<LoginFields>, FormRejection>,
) -> Result<Redirect, Problem> {
    let fields = match form {
        Ok(Form(fields)) if !fields.user_id.is_empty() => Ok(Query(fields)),
        _ => query,
    };
    log_in(app, session, fields).await
}

/// `POST /logout`. One store command.
pub(crate) async fn log_out(session: Session) -> Result<Redirect, Problem> {
    end_session(&session).await?;
    Ok(Redirect::to("/"))
}

/// `GET /lessons/completed`. Two store commands.
pub(crate) async fn completed(
    State(app): State<App>,
    session: Session,
) -> Result<impl IntoResponse, Problem> {
    let user = logged_in(&session).await?;
    let lessons = app.progress.completed(&user).await.map_err(Problem::Load)?;
    Ok((NO_STORE, Json(LessonsBody { lessons })))
}

/// `POST /lessons/{lessonSlug}/mark-complete`. Two store commands.
pub(crate) async fn mark_complete(
    State(app): State<App>,
    session: Session,
    slug: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let user = logged_in(&session).await?;
    // A path that is not UTF-8 has a character that is not allowed.
    let Path(slug) = slug.map_err(|_| Invalid::Character(Name::Lesson))?;
    let slug = LessonSlug::parse(&slug)?;
    let time = app.now();
    app.progress.complete(&user, &slug, &time).await.map_err(Problem::Save)?;
    let marked = MarkedBody { lesson_slug: slug.as_str().to_owned(), last_completed: time };
    Ok((NO_STORE, Json(marked)))
}

/// The user who is logged in. One store command.
pub(crate) async fn logged_in(session: &Session) -> Result<UserId, Problem> {
    match session.user().await {
        // What was stored was valid; rules may have become stricter since.
        Ok(Some(user)) => UserId::parse(&user).map_err(|_| Problem::LoggedOut),
        Ok(None) | Err(SessionError::Ended) => Err(Problem::LoggedOut),
        Err(error) => Err(Problem::Session(error)),
    }
}

/// Logs `user` in, and has that stored before the answer says so.
pub(crate) async fn start_session(
    app: &App,
    session: &Session,
    user: &UserId,
) -> Result<(), Problem> {
    if app.login == Login::Closed {
        return Err(Problem::LoginClosed);
    }
    session.login(user.as_str()).await.map_err(Problem::Login)?;
    session.save().await.map_err(Problem::Login)
}

/// Ends the session, and has that stored before the answer says so.
pub(crate) async fn end_session(session: &Session) -> Result<(), Problem> {
    session.logout().await.map_err(Problem::Logout)?;
    session.save().await.map_err(Problem::Logout)
}
