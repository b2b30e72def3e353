//! What a user id and a lesson slug are. No I/O here.

use std::fmt;

/// The longest user id and the longest slug, in characters.
const LONGEST: usize = 64;

/// Who is learning: 1 to 64 letters, digits and `.`, `_`, `-`, `@`, `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId(String);

/// Which lesson: 1 to 64 letters, digits and `.`, `_`, `-`, `~`, so that it
/// needs no escaping in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonSlug(String);

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A [`UserId`].
    User,
    /// A [`LessonSlug`].
    Lesson,
}

impl Name {
    /// As requests call it.
    fn field(self) -> &'static str {
        match self {
            Self::User => "userId",
            Self::Lesson => "lessonSlug",
        }
    }

    /// As people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::User => "user id",
            Self::Lesson => "lesson's name",
        }
    }

    /// What it may have besides letters and digits.
    fn punctuation(self) -> &'static str {
        match self {
            Self::User => ". _ - @ +",
            Self::Lesson => ". _ - ~",
        }
    }
}

/// A name that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing but space.
    #[error("Missing required {}", .0.field())]
    Missing(Name),
    /// Longer than 64 characters.
    #[error("The {} is longer than {LONGEST} characters", .0.words())]
    TooLong(Name),
    /// A character that is not allowed.
    #[error("The {} may have letters (a-z, A-Z), digits and {} only", .0.words(), .0.punctuation())]
    Character(Name),
    /// `.` or `..`, which browsers take out of a path.
    #[error("The {} cannot be . or ..", .0.words())]
    Dots(Name),
}

impl UserId {
    /// The user id in `text`, without the space around it.
    ///
    /// # Errors
    /// [`Invalid`], whose text can be shown to the user.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        valid_name(text, Name::User).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LessonSlug {
    /// The slug in `text`, without the space around it.
    ///
    /// # Errors
    /// [`Invalid`], whose text can be shown to the user.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match valid_name(text, Name::Lesson)?.as_str() {
            "." | ".." => Err(Invalid::Dots(Name::Lesson)),
            slug => Ok(Self(slug.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn valid_name(text: &str, name: Name) -> Result<String, Invalid> {
    let text = text.trim();
    let punctuation = name.punctuation();
    let allowed = |c: char| c.is_ascii_alphanumeric() || (c != ' ' && punctuation.contains(c));
    match text.chars().count() {
        0 => Err(Invalid::Missing(name)),
        count if count > LONGEST => Err(Invalid::TooLong(name)),
        _ if !text.chars().all(allowed) => Err(Invalid::Character(name)),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_limited() {
        assert_eq!(UserId::parse(" ada@example.org ").unwrap().as_str(), "ada@example.org");
        assert_eq!(UserId::parse(" \t"), Err(Invalid::Missing(Name::User)));
        assert_eq!(LessonSlug::parse(&"x".repeat(64)).unwrap().as_str().len(), 64);
        assert_eq!(LessonSlug::parse(&"x".repeat(65)), Err(Invalid::TooLong(Name::Lesson)));
    }

    #[test]
    fn what_would_need_escaping_is_refused() {
        for bad in ["a b", "a/b", "é", "a\nb", "a\u{0}b", "<b>", "a%20b", "a\\b", "a?b", "a#b"] {
            assert_eq!(LessonSlug::parse(bad), Err(Invalid::Character(Name::Lesson)), "{bad:?}");
            assert_eq!(UserId::parse(bad), Err(Invalid::Character(Name::User)), "{bad:?}");
        }
        assert_eq!(LessonSlug::parse(".."), Err(Invalid::Dots(Name::Lesson)));
    }

    #[test]
    fn the_message_says_what_is_allowed() {
        assert_eq!(
            LessonSlug::parse("a/b").unwrap_err().to_string(),
            "The lesson's name may have letters (a-z, A-Z), digits and . _ - ~ only"
        );
    }
}
