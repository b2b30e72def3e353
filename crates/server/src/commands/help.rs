//! What the containers answer to `HELP`.

use tuckbox_resp::{Reply, table};

/// The lines of `<container> HELP`, out of the command table; `None` for all
/// other commands.
pub(super) fn lines(name: &str) -> Option<Reply> {
    let container = name.strip_suffix("|help")?;
    let spec = table::lookup(container.as_bytes())?;
    let title = spec.name.to_ascii_uppercase();
    let first = format!("{title} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let each = spec
        .subcommands
        .iter()
        .flat_map(|spec| [spec.own_name().to_ascii_uppercase(), format!("    {}.", spec.summary)]);
    let all = std::iter::once(first).chain(each);
    Some(Reply::Array(all.map(|line| Reply::Simple(line.into())).collect()))
}
