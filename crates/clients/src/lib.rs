//! The MCP configuration files of assistants: where they are, what they say, which bytes of them change.
//!
//! Must never read or write anything itself, nor change a byte outside the entries it was asked to change. What may be a
//! credential has neither `Debug` nor `Display` here.

mod connect;
mod credential;
mod diff;
mod document;
mod entry;
mod envfile;
mod expand;
mod gate;
mod index;
mod kind;
mod names;
mod propose;
mod server;
mod split;

pub use connect::{
    Because, Connected, Disconnected, Kept, Left, Restored, Target, connect, disconnect, restore,
};
pub use credential::{looks_like_credential, name_of_credential};
pub use diff::{mask, unified};
pub use document::{Document, DocumentFault, Edit, Format, apply};
pub use entry::ShimEntry;
pub use envfile::{EnvFileFault, KeptEnvFile, read_env_file, take_out};
pub use expand::{Expanded, Facts, Input, Missing, Syntax, expand, inputs};
pub use gate::{GateServer, Sealing, append, same_table, table_of};
pub use index::{Imported, Index, SealedText};
pub use kind::{Kind, Location, Places, Scope};
pub use names::{free_name, gate_name};
pub use propose::{Place, ProposedTool, Surroundings, places, propose, workspace_line};
pub use server::{Definition, Found, Http, Stdio, Transport, Unusable, found};
pub use split::{Around, Hidden, Part, Plan, SplitServer, split, text_of};
