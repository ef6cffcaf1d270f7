//! The real path of a call and real administration over simulated ports. Must never sleep on the machine's clock.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod path;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod random;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod revoked;
#[cfg(test)]
mod server_tasks;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod unknown;
#[cfg(test)]
mod watch;
