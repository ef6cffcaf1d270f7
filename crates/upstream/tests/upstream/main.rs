//! The adapter against real peers: child processes and HTTP servers, well-behaved and not. Must never use a
//! stand-in for what runs here.

#[cfg(test)]
mod asks;
#[cfg(test)]
mod asks_stdio;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod hear;
#[cfg(test)]
mod http;
#[cfg(test)]
mod http_lies;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod old_peer;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod server_tasks;
#[cfg(test)]
mod sse;
#[cfg(test)]
mod sse_lies;
#[cfg(test)]
mod stdio;
#[cfg(test)]
mod stdio_lies;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
