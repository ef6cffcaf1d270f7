//! The clients' own files: what goes through Callgate, what goes past it. Must never print an entry.

use std::path::Path;

use clients::Kind;

use super::finding::Findings;
use crate::connect::{ClientState, states};
use crate::import::place;

pub(super) fn look(found: &mut Findings, only: Option<Kind>, workspace: Option<&Path>) {
    let places = match place::places(workspace) {
        Ok(places) => places,
        Err(failure) => return found.note("clients", failure.text()),
    };
    let states = states(&places);
    let chosen: Vec<&ClientState> =
        states.iter().filter(|one| only.is_none_or(|kind| kind.name() == one.client)).collect();
    if chosen.is_empty() {
        let whose = only.map_or("a client", Kind::name);
        found.note("clients", format!("no file of {whose} was found here"));
    }
    for one in chosen {
        state(found, one);
    }
}

fn state(found: &mut Findings, one: &ClientState) {
    let (client, path) = (one.client, one.path.display());
    if let Some(problem) = &one.problem {
        let fix = format!("mend the file, or let {client} write it anew");
        return found.problem("clients", format!("{client}: {problem}"), fix);
    }
    let names =
        |names: &[String]| names.iter().map(|name| clients::mask(name, &[])).collect::<Vec<_>>().join(", ");
    if !one.connected.is_empty() {
        found.ok("clients", format!("{client}: through Callgate: {} ({path})", names(&one.connected)));
    }
    if !one.direct.is_empty() {
        let text = format!("{client}: past Callgate: {} ({path})", names(&one.direct));
        found.warning("clients", text, format!("callgate import {client} && callgate connect {client}"));
    }
    if let Some(gone) = &one.program_gone {
        let text = format!("{client}: its entries start `{}`, which is not there", gone.display());
        found.problem("clients", text, format!("callgate connect {client}"));
    }
}
