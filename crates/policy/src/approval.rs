//! Proof that more approval never turns a permit into a deny, read off a policy's text. Must never accept a form it
//! does not know: a decision parks on the strength of this.

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, Literal, Template, UnaryOp, Var};

/// What a policy does with the approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApprovalUse {
    /// True when it reads any of it.
    pub(crate) reads: bool,
    /// The approver groups it asks for.
    pub(crate) groups: Vec<String>,
}

/// A use that is not accepted: what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApprovalFault {
    /// More approval could make the policy less permissive.
    #[error("`{0}` could turn a permit into a deny when one more person approves")]
    NotMonotone(String),
    /// A form that is not analysed.
    #[error("`{0}` uses the approval in a form that cannot be checked")]
    Unknown(String),
}

/// What to write instead.
pub(crate) const FORMS: &str = "write `context.approval.count >= 2`, `context.approval.groups.contains(\"finance\")`, \
`context.approval.exact` or `!context.approval.self_approved`, joined with `&&` and `||`, in `when` of a permit or \
in `unless` of a forbid";

/// Analyses one policy.
pub(crate) fn analyse(policy: &Template) -> Result<ApprovalUse, ApprovalFault> {
    let mut walk = Walk::default();
    for clause in policy.clauses() {
        let (expression, when) = match clause {
            Clause::When(expression) => (expression, true),
            Clause::Unless(expression) => (expression, false),
        };
        let permits = when == matches!(policy.effect, Effect::Permit);
        walk.condition(expression, permits)?;
    }
    walk.found.groups.sort();
    walk.found.groups.dedup();
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: ApprovalUse,
}

impl Walk {
    /// `up`: when this expression turns true, the policy set permits more.
    fn condition(&mut self, expression: &Expr, up: bool) -> Result<(), ApprovalFault> {
        match expression {
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.condition(left, up)?;
                self.condition(right, up)
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.condition(expr, !up),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                refuse_any(cond)?;
                self.condition(then_expr, up)?;
                self.condition(else_expr, up)
            }
            other if !mentions(other) => Ok(()),
            other => self.atom(other, up),
        }
    }

    fn atom(&mut self, atom: &Expr, up: bool) -> Result<(), ApprovalFault> {
        let grows = match atom {
            Expr::GetAttr { attr, .. } if member(atom) == Some("exact") => attr == "exact",
            Expr::GetAttr { .. } if member(atom) == Some("self_approved") => false,
            Expr::BinaryOp { op, left, right } => match (member(left), member(right)) {
                (Some("count"), None) if is_long(right) => grows_left(*op, atom)?,
                (None, Some("count")) if is_long(left) => !grows_left(*op, atom)?,
                (Some("groups"), None) => {
                    self.groups(*op, right, atom)?;
                    true
                }
                _ => return Err(ApprovalFault::Unknown(shown(atom))),
            },
            _ => return Err(ApprovalFault::Unknown(shown(atom))),
        };
        self.found.reads = true;
        if grows == up { Ok(()) } else { Err(ApprovalFault::NotMonotone(shown(atom))) }
    }

    fn groups(&mut self, op: BinaryOp, right: &Expr, atom: &Expr) -> Result<(), ApprovalFault> {
        let unknown = || ApprovalFault::Unknown(shown(atom));
        let texts = match (op, right) {
            (BinaryOp::Contains, text) => vec![literal_text(text)],
            (BinaryOp::ContainsAll | BinaryOp::ContainsAny, Expr::Set(items)) => {
                items.iter().map(|item| literal_text(item)).collect()
            }
            _ => return Err(unknown()),
        };
        let texts: Option<Vec<String>> = texts.into_iter().collect();
        self.found.groups.extend(texts.ok_or_else(unknown)?);
        Ok(())
    }
}

/// For `count OP literal`: does it turn true as the count grows?
fn grows_left(op: BinaryOp, atom: &Expr) -> Result<bool, ApprovalFault> {
    match op {
        BinaryOp::Greater | BinaryOp::GreaterEq => Ok(true),
        BinaryOp::Less | BinaryOp::LessEq => Ok(false),
        _ => Err(ApprovalFault::Unknown(shown(atom))),
    }
}

/// `X` of `context.approval.X`.
fn member(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::GetAttr { expr, attr } => match &**expr {
            Expr::GetAttr { expr, attr: outer } if outer == "approval" => {
                matches!(**expr, Expr::Var(Var::Context)).then_some(attr)
            }
            _ => None,
        },
        _ => None,
    }
}

const fn is_long(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(Literal::Long(_)))
}

fn literal_text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn refuse_any(expression: &Expr) -> Result<(), ApprovalFault> {
    if mentions(expression) { Err(ApprovalFault::Unknown(shown(expression))) } else { Ok(()) }
}

/// True when the value of this expression may depend on the approval: it names `context.approval`, or uses the
/// whole context as a value. `context has approval` does not: every call has one.
fn mentions(expression: &Expr) -> bool {
    match expression {
        Expr::Var(Var::Context) => true,
        Expr::GetAttr { expr, attr } if matches!(**expr, Expr::Var(Var::Context)) => attr == "approval",
        Expr::HasAttr { expr, .. } if matches!(**expr, Expr::Var(Var::Context)) => false,
        Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::UnaryOp { expr, .. }
        | Expr::Like { expr, .. } => mentions(expr),
        Expr::Is { expr, in_expr, .. } => mentions(expr) || in_expr.as_deref().is_some_and(mentions),
        Expr::BinaryOp { left, right, .. } => mentions(left) || mentions(right),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            [cond, then_expr, else_expr].into_iter().any(|part| mentions(part))
        }
        Expr::Set(items) => items.iter().any(|item| mentions(item)),
        Expr::Record(members) => members.values().any(|member| mentions(member)),
        Expr::Var(_) | Expr::Literal(_) | Expr::Slot(_) => false,
        // Unknowns, residual errors and whatever Cedar adds: assume the worst.
        _ => true,
    }
}

fn shown(expression: &Expr) -> String {
    expression.to_string().chars().take(120).collect()
}
