//! What is wrong with a policy file, where, and what to do. Must never stop at the first problem.

use std::fmt;

use model::ids::PolicyId;

/// The closed list of what can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The file breaks a limit: size, nesting, operators in one policy.
    Limit,
    /// Not Cedar.
    Syntax,
    /// Ids or annotations: missing, malformed, used twice.
    Annotation,
    /// Does not fit the schema: misspelt, unguarded, wrong type.
    Type,
    /// Uses the approval in a way that more approval could turn into less.
    Approval,
    /// Names a tool that is not certified, or can never apply: harmless today, and most often a mistake.
    NeverApplies,
    /// The schema itself could not be built from the tools.
    Schema,
}

impl ProblemKind {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Syntax => "syntax",
            Self::Annotation => "annotation",
            Self::Type => "type",
            Self::Approval => "approval",
            Self::NeverApplies => "never-applies",
            Self::Schema => "schema",
        }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyProblem {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The policy, when the text got as far as having one.
    pub policy: Option<PolicyId>,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// What is wrong: lower-case, one line.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(policy) = &self.policy {
            write!(f, "policy `{policy}`: ")?;
        }
        write!(f, "{}; {}", self.message, self.fix)
    }
}
