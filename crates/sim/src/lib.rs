//! Every port in memory, seeded, with faults, so that the real path of a call can be walked a thousand ways. Ring 3.
//!
//! Must never be compiled into the product, nor judge a call by what the code under test says of itself: the
//! checkers look at the disk, at what reached an upstream, and at what left to a client. One seed is one run.

pub mod clock;
pub mod disk;
pub mod edges;
pub mod handles;
pub mod judge;
pub mod node;
pub mod rng;
pub mod servers;
pub mod steps;
pub mod store;
pub mod upstream;
pub mod voices;
pub mod world;

pub use node::{Knobs, Node};
pub use world::World;
