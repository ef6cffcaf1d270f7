//! Handles in a table. Must never open one for anything but what it was sealed for.

use std::sync::{Mutex, PoisonError};

use model::call::Endpoint;
use model::digest::Digest;
use model::ids::AgentId;
use model::method::Method;
use model::time::Micros;
use ports::fault::Fault;
use ports::handles::{Bound, Handles, Kind, PAYLOAD_BYTES_MAX};

/// Everything that was sealed; a text says where in the table.
#[derive(Default)]
pub struct SimHandles(Mutex<Vec<Sealed>>);

struct Sealed {
    bound: (Kind, AgentId, Endpoint, Method, Digest),
    payload: Vec<u8>,
    expires: Micros,
}

fn owned(bound: &Bound<'_>) -> (Kind, AgentId, Endpoint, Method, Digest) {
    (bound.kind, bound.agent.clone(), bound.endpoint.clone(), bound.method, *bound.digest)
}

impl Handles for SimHandles {
    fn seal(&self, bound: &Bound<'_>, payload: &[u8], expires: Micros) -> Result<String, Fault> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Fault::new("too long a payload (simulated)"));
        }
        let mut sealed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.push(Sealed { bound: owned(bound), payload: payload.to_vec(), expires });
        Ok(format!("sim-{}", sealed.len() - 1))
    }

    fn open(&self, bound: &Bound<'_>, text: &str, now: Micros) -> Option<Vec<u8>> {
        let at: usize = text.strip_prefix("sim-")?.parse().ok()?;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = all.get(at).filter(|sealed| sealed.bound == owned(bound) && now < sealed.expires)?;
        Some(sealed.payload.clone())
    }
}
