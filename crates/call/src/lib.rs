//! The path of one call (PEP): received → identified → bound → resolved → decided → approved → intended →
//! leased → forwarded → labelled → recorded. Ring 1.
//!
//! Must never let a call skip a state: each is a struct, each transition consumes it, each proof has a private
//! constructor. [`driver`] walks the first four, `run` the rest, which goes on when its connection is gone; nothing
//! else in the product can forward a call.

pub mod approved;
mod ask;
pub mod bound;
pub mod decided;
pub mod driver;
mod exchange;
pub mod forwarded;
pub mod identified;
pub mod intended;
pub mod labelled;
pub mod leased;
pub mod list;
pub mod listings;
pub mod noise;
pub mod open_calls;
mod pages;
mod question;
mod rates;
pub mod received;
pub mod recorded;
mod refuse;
pub mod resolved;
mod revoke;
mod run;
pub mod sequencer;
mod server_task;
mod shown;
mod subscribe;
mod supervise;
mod suspended;
#[cfg(test)]
mod testing;
pub mod view;
mod watch;

pub use driver::{CallHandle, Door, Finished, Refused};
pub use exchange::Passing;
pub use identified::Caller;
pub use list::{Listed, ListedTool};
pub use question::Round;
pub use revoke::Revoker;
pub use server_task::OpenedTask;
pub use subscribe::{Subscribing, Subscription};
pub use supervise::Supervised;
pub use suspended::Whose;
pub use watch::{Changed, Watch};
