//! Received: what is within the limits, and what is not.

use model::denial::Reason;
use model::limits::CallLimits;

use super::Received;
use crate::testing::{request, stamp};

fn check(arguments: &str, depth_max: usize) -> Result<(), (Reason, String)> {
    let limits = CallLimits { argument_depth_max: depth_max, ..CallLimits::DEFAULT };
    let received = Received::new(stamp(), request("alpha__get_item", arguments), &limits);
    received.map(drop).map_err(|denial| (denial.reason, denial.public))
}

#[test]
fn arguments_are_an_object_that_is_not_too_deep() {
    assert_eq!(check("{}", 1), Ok(()));
    assert_eq!(check(r#"{"a":[[1]]}"#, 3), Ok(()));
    for (arguments, depth, says) in
        [(r#"{"a":[[1]]}"#, 2, "deeper than 2 levels"), ("[1]", 9, "found array"), ("null", 9, "found null")]
    {
        let (reason, text) = check(arguments, depth).expect_err(arguments);
        assert_eq!(reason, Reason::Malformed);
        assert!(text.contains(says), "{text}");
    }
}
