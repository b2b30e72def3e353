//! The lessons API of the tutorial: log in, list the completed lessons, mark
//! one complete; and a page for people who do the same in a browser.
//!
//! | file | holds |
//! |---|---|
//! | `domain` | what a user id and a lesson slug are |
//! | `progress` | the keys and commands of this app |
//! | `api` | the tutorial's routes, in JSON |
//! | `page` | the page and its forms |
//! | `problem` | errors as responses |
//! | `settings` | the environment |
//! | `open` | all of it put together, for every program of it |

mod api;
mod app;
mod domain;
mod open;
mod page;
mod problem;
mod progress;
mod settings;

pub use app::App;
pub use domain::{Invalid, LessonSlug, Name, UserId};
pub use open::open;
pub use settings::{Login, Settings, SettingsError, sessions};
