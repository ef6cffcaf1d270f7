//! The sealed store under several processes. Must never use a stand-in for a process that is killed.

#[cfg(test)]
mod processes;
