//! `ACL`, as far as it goes with one user.

use tuckbox_engine::{Request, has_command};
use tuckbox_resp::{
    Reply,
    table::{ALL_COMMANDS, Categories},
};

use super::{Answer, shown, text};
use crate::host::is_of_the_server;

pub(super) fn run(subcommand: &str, request: &Request<'_>) -> Answer {
    match subcommand {
        "whoami" => Ok(text("default")),
        "users" => Ok(Reply::Array(vec![text("default")])),
        "cat" => cat(request.command.get(2)),
        _ => {
            Err("ERR there is one user, default, who may do everything; his password is set when \
                  the server is started, or by CONFIG SET requirepass"
                .into())
        }
    }
}

fn cat(name: Option<&[u8]>) -> Answer {
    let Some(name) = name else {
        return Ok(Reply::Array(Categories::all_names().map(text).collect()));
    };
    let Some(category) = Categories::by_name(name) else {
        return Err(format!("ERR Unknown category '{}'", shown(name)).into());
    };
    let here = ALL_COMMANDS.iter().filter(|spec| has_command(spec) || is_of_the_server(spec));
    let all = here.flat_map(|spec| std::iter::once(spec).chain(spec.subcommands));
    let among = all.filter(|spec| spec.categories().contains(category));
    Ok(Reply::Array(among.map(|spec| text(spec.name)).collect()))
}
