//! The bounds on every input. Must never be unlimited: each field is a number, none is optional.

/// Bounds on one JSON text from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Bytes of the whole text.
    pub bytes_max: usize,
    /// Nesting of arrays and objects.
    pub depth_max: usize,
    /// Values in the whole text, so that memory stays a small multiple of `bytes_max`.
    pub values_max: usize,
    /// Characters of one number's text.
    pub number_chars_max: usize,
}

impl JsonLimits {
    /// For a request of a client: 4 MiB, as the SDK servers allow.
    pub const REQUEST: Self =
        Self { bytes_max: 4 << 20, depth_max: 64, values_max: 200_000, number_chars_max: 64 };
    /// For a message of an upstream server: 16 MiB.
    pub const UPSTREAM: Self =
        Self { bytes_max: 16 << 20, depth_max: 128, values_max: 2_000_000, number_chars_max: 512 };
}

/// Bounds on one call's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Nesting of the arguments (`facts`: Cedar contexts stay far below the recursion limit).
    pub argument_depth_max: usize,
    /// Milliseconds an upstream has for one call, progress or not.
    pub upstream_millis_max: u64,
    /// Milliseconds a client has to answer what a server asks during its call.
    pub answer_millis_max: u64,
    /// Bytes of one upstream result, all its events together.
    pub result_bytes_max: usize,
    /// Calls one task may have open at once.
    pub open_calls_per_task_max: usize,
    /// Calls one agent may begin in a minute, ...
    pub calls_per_minute_max: u64,
    /// ... and entries it may cause without one that goes through: lists, and whatever is refused.
    pub lists_and_refusals_per_minute_max: u64,
}

impl CallLimits {
    /// What `callgate.toml` gets when it says nothing.
    pub const DEFAULT: Self = Self {
        argument_depth_max: 32,
        upstream_millis_max: 300_000,
        answer_millis_max: 600_000,
        result_bytes_max: 16 << 20,
        open_calls_per_task_max: 256,
        calls_per_minute_max: 600_000,
        lists_and_refusals_per_minute_max: 6_000,
    };
}
