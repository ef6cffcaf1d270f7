//! Questions of servers, answered by real clients of either era through Callgate. Must never pass a pair of eras that no
//! client was in.

use crate::bar::clients;
use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::mcp::results::{SuiteResult, read, unexpected};
use crate::bar::rig::Rig;

const SUITE: &str = "questions";
const ERAS: [&str; 2] = ["legacy", "modern"];

/// Each pair of eras, then what else the suite says.
pub(super) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    if !rig.root.join(format!("tests/e2e/{SUITE}.py")).is_file() {
        return Err(format!("there is no `tests/e2e/{SUITE}.py` yet"));
    }
    clients::install(rig)?;
    let (_, results) = clients::run(rig, SUITE, &[])?;
    let results: Vec<SuiteResult> = read(&results)?;
    for client in ERAS {
        for server in ERAS {
            pair(client, server, &results, figures);
        }
    }
    unexpected(SUITE, &results, figures);
    Ok(())
}

/// Elicitation and sampling are among the questions of each of these results.
fn pair(client: &str, server: &str, results: &[SuiteResult], figures: &mut Figures) {
    let of_pair = |result: &&SuiteResult| eras(&result.name) == Some((client, server));
    let (all, passed) = results
        .iter()
        .filter(of_pair)
        .fold((0_u32, 0_u32), |(all, passed), result| (all + 1, passed + u32::from(result.ok)));
    let how = format!("of {all} SDK clients, over HTTP and a shim, on servers behind HTTP and as children");
    let want = Want::AtLeast(f64::from(all.max(1)));
    let figure =
        Figure::new(format!("clients that complete their rounds, {client} on {server}"), "clients", want);
    figures.add(&figure, f64::from(passed), &how);
}

/// Of `questions/clients/WAY/CLIENT-ERA-on-WAY-ERA`.
fn eras(name: &str) -> Option<(&str, &str)> {
    let (client, server) = name.strip_prefix("questions/clients/")?.rsplit_once("-on-")?;
    Some((client.rsplit_once('-')?.1, server.rsplit_once('-')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::mcp::results::result;

    #[test]
    fn eras_are_in_the_name() {
        assert_eq!(
            eras("questions/clients/port/py_new.py-legacy-on-http-modern"),
            Some(("legacy", "modern"))
        );
        assert_eq!(eras("questions/state/http-modern/x"), None);
        assert_eq!(eras("questions/clients/ran"), None);
    }

    #[test]
    fn a_pair_without_clients_falls_short() {
        let results = [result("questions/clients/port/a-legacy-on-http-modern", true)];
        let mut figures = Figures::default();
        pair("legacy", "modern", &results, &mut figures);
        pair("modern", "legacy", &results, &mut figures);
        assert!(figures.verdict().unwrap_err().starts_with("1 of 2"));
    }
}
