//! Saving, ending, and the server's part in replication, which is none.

use tuckbox_engine::Request;
use tuckbox_resp::Reply;

use super::{Answer, SYNTAX, is, number, text};
use crate::{host::Serving, server::ReplyMode};

pub(super) fn run(serving: &mut Serving<'_>, request: &mut Request<'_>) -> Answer {
    let command = request.command;
    match request.spec.name {
        "save" => {
            serving.engine.checkpoint().map_err(|error| {
                tracing::error!(%error, "SAVE failed");
                "ERR the checkpoint failed; see the server's log"
            })?;
            Ok(Reply::OK)
        }
        "bgsave" => {
            let fits = command.len() == 1 || command.len() == 2 && is(&command[1], "SCHEDULE");
            if !fits {
                return Err(SYNTAX.into());
            }
            serving.engine.checkpoint_soon();
            Ok(Reply::Simple("Background saving started".into()))
        }
        "bgrewriteaof" => {
            serving.engine.checkpoint_soon();
            Ok(Reply::Simple("Background append only file rewriting started".into()))
        }
        "lastsave" => Ok(number(last_save_ms(serving, request) / 1000)),
        "role" => {
            Ok(Reply::Array(vec![text("master"), Reply::Integer(0), Reply::Array(Vec::new())]))
        }
        "shutdown" => shutdown(serving, request),
        "lolwut" => {
            if command.len() > 2 && is(&command[1], "VERSION") {
                super::integer(command, 2)?;
            }
            let version = env!("CARGO_PKG_VERSION");
            Ok(super::prose(format!("A box to tuck things into.\nTuckbox {version}\n")))
        }
        name => Err(format!("ERR {} is not supported", name.to_ascii_uppercase()).into()),
    }
}

/// When everything was saved last; the start of a server that saves nothing.
fn last_save_ms(serving: &Serving<'_>, request: &mut Request<'_>) -> u64 {
    match (request.stats)().last_checkpoint_ms {
        0 => {
            let hall = &*serving.hall;
            let up = hall.now.saturating_duration_since(hall.since).as_millis();
            let up = u64::try_from(up).unwrap_or(u64::MAX);
            serving.engine.clock().now_ms().saturating_sub(up)
        }
        saved => saved,
    }
}

/// `SHUTDOWN`: everything is saved, whatever the words say.
fn shutdown(serving: &mut Serving<'_>, request: &Request<'_>) -> Answer {
    let words = ["NOSAVE", "SAVE", "NOW", "FORCE", "ABORT"];
    let mut said = [false; 5];
    for word in request.command.iter_from(1) {
        let known = words.iter().position(|known| is(word, known));
        said[known.ok_or(SYNTAX)?] = true;
    }
    let [nosave, save, .., abort] = said;
    if nosave && save || abort && request.command.len() > 2 {
        return Err(SYNTAX.into());
    }
    if abort {
        return Err("ERR No shutdown in progress.".into());
    }
    serving.hall.ends = true;
    // As in Redis there is no answer, only the end of the connection.
    serving.link.replies = ReplyMode::Off;
    serving.link.ends = true;
    Ok(Reply::OK)
}
