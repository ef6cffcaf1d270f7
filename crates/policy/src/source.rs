//! Policy files to parsed policies: limits first, then one parse per statement, then ids and annotations.
//!
//! Must never hand text to the parser that the scan refused, nor parse on a small stack.

use std::collections::HashMap;
use std::thread;

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::Template as Tree;
use cedar_policy::{ParseErrors, Policy, PolicyId as CedarId, PolicySet};
use model::ids::{GroupName, PolicyId};

use crate::approval;
use crate::facts::PolicySource;
use crate::problem::{PolicyProblem, ProblemKind};
use crate::scan::{self, Statement};

/// Stack of the thread that parses: a parser of this grammar needs up to 40 KiB for each level of nesting.
const STACK_BYTES: usize = 64 << 20;
/// Characters of a `@reason`.
const REASON_CHARS_MAX: usize = 500;

/// One policy with what its annotations say.
#[derive(Clone)]
pub(crate) struct Parsed {
    pub(crate) id: PolicyId,
    pub(crate) policy: Policy,
    pub(crate) tree: Tree,
    pub(crate) place: Place,
    pub(crate) reason: Option<String>,
    pub(crate) approvers: Vec<GroupName>,
    /// The approver groups its conditions ask for; `None` when it does not read the approval.
    pub(crate) asks: Option<Vec<String>>,
}

/// Where a policy stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: usize,
    /// Offset of the text it was parsed from.
    pub(crate) offset: usize,
    /// Offset of its first word.
    pub(crate) begins: usize,
}

/// Runs `work` on a thread with a large stack. `None` when the thread could not be had or panicked.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("policy-parse".to_owned()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// Parses all files. Problems of one file or policy do not hide those of another.
pub(crate) fn parse(sources: &[PolicySource], problems: &mut Vec<PolicyProblem>) -> Vec<Parsed> {
    let mut parsed = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        match scan::statements(&source.text) {
            Err(fault) => problems.push(Report { source, policy: None }.at(
                fault.offset(),
                ProblemKind::Limit,
                fault.to_string(),
                "split it into smaller policies or files",
            )),
            Ok(statements) => parsed.extend(one_file(source, file, &statements, problems)),
        }
    }
    refuse_duplicates(sources, &parsed, problems);
    parsed
}

/// Writes problems of one file.
pub(crate) struct Report<'a> {
    pub(crate) source: &'a PolicySource,
    pub(crate) policy: Option<PolicyId>,
}

impl Report<'_> {
    pub(crate) fn at(&self, offset: usize, kind: ProblemKind, message: String, fix: &str) -> PolicyProblem {
        let (line, column) = scan::position(&self.source.text, offset);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        PolicyProblem {
            file: self.source.file.clone(),
            line,
            column,
            policy: self.policy.clone(),
            kind,
            message,
            fix: fix.to_owned(),
        }
    }
}

/// Parses a file at once, which costs a fraction of parsing each statement; if that fails, each statement alone, so
/// that one mistake does not hide another.
fn one_file(
    source: &PolicySource,
    file: usize,
    statements: &[Statement<'_>],
    problems: &mut Vec<PolicyProblem>,
) -> Vec<Parsed> {
    let report = Report { source, policy: None };
    let policies = at_once(&source.text, statements.len());
    let alone = policies.is_none();
    let mut policies = policies.unwrap_or_default().into_iter();
    let mut parsed = Vec::with_capacity(statements.len());
    for statement in statements {
        let policy = match policies.next() {
            Some(policy) => Ok(policy),
            None => Policy::parse(Some(CedarId::new("unnamed")), statement.text),
        };
        let offset = if alone { statement.offset } else { 0 };
        match policy {
            Ok(policy) => match annotated(&report, Place { file, offset, begins: statement.begins }, &policy)
            {
                Ok(policy) => parsed.push(policy),
                Err(problem) => problems.push(problem),
            },
            Err(errors) => problems.extend(syntax(&report, statement, &errors)),
        }
    }
    parsed
}

/// All policies of a text in their order; `None` when it does not parse, or not into as many as were scanned.
fn at_once(text: &str, count: usize) -> Option<Vec<Policy>> {
    let set: PolicySet = text.parse().ok()?;
    let number = |policy: &Policy| -> Option<usize> {
        let id: &str = policy.id().as_ref();
        id.strip_prefix("policy")?.parse().ok()
    };
    let mut numbered: Vec<(usize, Policy)> =
        set.policies().map(|policy| Some((number(policy)?, policy.clone()))).collect::<Option<_>>()?;
    numbered.sort_by_key(|(number, _)| *number);
    let complete = numbered.len() == count && set.templates().next().is_none();
    complete.then(|| numbered.into_iter().map(|(_, policy)| policy).collect())
}

fn syntax(report: &Report<'_>, statement: &Statement<'_>, errors: &ParseErrors) -> Vec<PolicyProblem> {
    let problem = |error| {
        let detail = DetailedError::from(error);
        let within = detail.source_locations.first().map_or(0, |label| label.loc.start);
        let offset = (statement.offset + within).max(statement.begins);
        let fix = detail.help.unwrap_or_else(|| "correct the Cedar text there".to_owned());
        report.at(offset, ProblemKind::Syntax, detail.message, &fix)
    };
    errors.iter().map(problem).collect()
}

fn annotated(report: &Report<'_>, place: Place, policy: &Policy) -> Result<Parsed, PolicyProblem> {
    let begins = place.begins;
    // Asking by name would parse the name each time.
    let annotation = |name: &str| policy.annotations().find(|(key, _)| *key == name).map(|(_, text)| text);
    let id = match annotation("id") {
        Some(text) => PolicyId::parse(text).map_err(|error| {
            report.at(begins, ProblemKind::Annotation, error.to_string(), "give the policy another `@id`")
        })?,
        None => default_id(report, begins)?,
    };
    let report = Report { source: report.source, policy: Some(id.clone()) };
    let wrong = |message: String, fix: &str| report.at(begins, ProblemKind::Annotation, message, fix);
    let tree = match tree_of(policy) {
        Ok(tree) => tree.with_id(id.as_str().into()),
        Err(error) => return Err(wrong(error, "write the policy in plain Cedar")),
    };
    let reason = annotation("reason").map(str::to_owned);
    if reason.as_ref().is_some_and(|text| !is_plain(text)) {
        return Err(wrong(
            format!("`@reason` is not one line of at most {REASON_CHARS_MAX} characters"),
            "shorten it: callers read it",
        ));
    }
    let approvers = approvers(annotation("approvers").unwrap_or_default()).map_err(|message| {
        wrong(message, "write `@approvers(\"GROUP\")` or `@approvers(\"GROUP, GROUP\")`")
    })?;
    if let Some(found) = crate::literals::asked_of_named(&tree) {
        let message =
            format!("`{found}` asks about an entity by its name; a decision knows only those of the call");
        let fix = "ask `principal`, `principal.task`, `action` or `resource`, and compare with names by `==` or `in`";
        return Err(report.at(begins, ProblemKind::Type, message, fix));
    }
    let asks = asks(&report, begins, &tree, policy)?;
    let policy = policy.new_id(CedarId::new(id.as_str()));
    match (&asks, approvers.is_empty()) {
        (Some(_), true) => Err(wrong(
            "it reads `context.approval` and says nobody to ask".to_owned(),
            "add `@approvers(\"GROUP\")` in front of it",
        )),
        (None, false) => Err(wrong(
            "it has `@approvers` and does not read `context.approval`".to_owned(),
            "remove the annotation, or add a condition on the approval",
        )),
        _ => Ok(Parsed { id, policy, tree, place, reason, approvers, asks }),
    }
}

/// The policy as a tree, from what was parsed; from its text Cedar would parse it once more.
fn tree_of(policy: &Policy) -> Result<Tree, String> {
    let tree = Policy::from(policy.as_ref().clone()).to_pst().map_err(|error| error.to_string())?;
    Ok(tree.body().clone())
}

fn asks(
    report: &Report<'_>,
    begins: usize,
    tree: &Tree,
    policy: &Policy,
) -> Result<Option<Vec<String>>, PolicyProblem> {
    let fault = match approval::analyse(tree) {
        Ok(found) => return Ok(found.reads.then_some(found.groups)),
        Err(fault) => fault,
    };
    // The tree has `!(a < b)` where the text says `a >= b`: say it as it was written.
    let written = policy.to_pst().ok().and_then(|tree| approval::analyse(tree.body()).err());
    let message = written.unwrap_or(fault).to_string();
    Err(report.at(begins, ProblemKind::Approval, message, approval::FORMS))
}

/// `FILE:LINE`, with the column when it does not begin its line, in the grammar of policy ids.
fn default_id(report: &Report<'_>, begins: usize) -> Result<PolicyId, PolicyProblem> {
    let (line, column) = scan::position(&report.source.text, begins);
    let column = if column == 1 { String::new() } else { format!(":{column}") };
    let file: String =
        report.source.file.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    let tail = file.get(file.len().saturating_sub(100)..).unwrap_or_default();
    PolicyId::parse(&format!("{tail}:{line}{column}")).map_err(|error| {
        report.at(begins, ProblemKind::Annotation, error.to_string(), "give the policy an `@id`")
    })
}

fn approvers(text: &str) -> Result<Vec<GroupName>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut groups =
        names.map(|name| GroupName::parse(name).map_err(|e| e.to_string())).collect::<Result<Vec<_>, _>>()?;
    groups.sort();
    groups.dedup();
    Ok(groups)
}

fn is_plain(text: &str) -> bool {
    text.chars().count() <= REASON_CHARS_MAX && !text.chars().any(char::is_control)
}

fn refuse_duplicates(sources: &[PolicySource], parsed: &[Parsed], problems: &mut Vec<PolicyProblem>) {
    let mut seen: HashMap<&PolicyId, &Place> = HashMap::new();
    for policy in parsed {
        let Some(source) = sources.get(policy.place.file) else { continue };
        if let Some(first) = seen.insert(&policy.id, &policy.place) {
            let other = sources.get(first.file).map_or("another file", |source| &source.file);
            let report = Report { source, policy: Some(policy.id.clone()) };
            problems.push(report.at(
                policy.place.begins,
                ProblemKind::Annotation,
                format!("its id is used already in `{other}`"),
                "give each policy its own `@id`",
            ));
        }
    }
}
