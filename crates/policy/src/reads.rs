//! What policies read of the context. Must never miss anything: what no policy in sight reads is left out when they are
//! evaluated, and policies that read nothing are not evaluated again.

use std::collections::BTreeSet;

use cedar_policy::pst::{Clause, Expr, Template, Var};

/// The member of the context that holds the arguments.
pub(crate) const ARGS: &str = "args";

/// What one policy reads, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// The context as a value, or in a form that is not known here.
    all: bool,
    /// The arguments as a value.
    all_arguments: bool,
    members: BTreeSet<Box<str>>,
    arguments: BTreeSet<Box<str>>,
}

impl Reads {
    /// What the conditions of a policy read.
    pub(crate) fn of(policy: &Template) -> Self {
        let mut reads = Self::default();
        for clause in policy.clauses() {
            match clause {
                Clause::When(expression) | Clause::Unless(expression) => reads.walk(expression),
            }
        }
        reads
    }

    /// All there is.
    pub(crate) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// True when the context makes no difference.
    pub(crate) fn nothing(&self) -> bool {
        *self == Self::default()
    }

    /// True when this member of the context is read, or its absence.
    pub(crate) fn member(&self, name: &str) -> bool {
        self.all || self.members.contains(name)
    }

    /// True when this attribute of the arguments is read, or its absence.
    pub(crate) fn argument(&self, name: &str) -> bool {
        self.all || self.all_arguments || self.arguments.contains(name)
    }

    /// Adds what another policy reads.
    pub(crate) fn join(&mut self, other: &Self) {
        self.all |= other.all;
        self.all_arguments |= other.all_arguments;
        self.members.extend(other.members.iter().cloned());
        self.arguments.extend(other.arguments.iter().cloned());
    }

    fn walk(&mut self, expression: &Expr) {
        match expression {
            Expr::GetAttr { expr, attr } if is_context(expr) => {
                self.all_arguments |= attr == ARGS;
                self.members.insert(attr.as_str().into());
            }
            Expr::GetAttr { expr, attr } if is_arguments(expr) => {
                self.arguments.insert(attr.as_str().into());
            }
            Expr::HasAttr { expr, attrs } if is_context(expr) => {
                self.members.insert(attrs.head.as_str().into());
                let argument = attrs.tail.first().filter(|_| attrs.head == ARGS);
                self.arguments.extend(argument.map(|name| name.as_str().into()));
            }
            Expr::HasAttr { expr, attrs } if is_arguments(expr) => {
                self.arguments.insert(attrs.head.as_str().into());
            }
            other => self.parts(other),
        }
    }

    fn parts(&mut self, expression: &Expr) {
        match expression {
            Expr::UnaryOp { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. }
            | Expr::Like { expr, .. } => self.walk(expr),
            Expr::Is { expr, in_expr, .. } => {
                std::iter::once(expr).chain(in_expr).for_each(|part| self.walk(part));
            }
            Expr::BinaryOp { left, right, .. } => [left, right].into_iter().for_each(|part| self.walk(part)),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().for_each(|part| self.walk(part));
            }
            Expr::Set(items) => items.iter().for_each(|item| self.walk(item)),
            Expr::Record(members) => members.values().for_each(|member| self.walk(member)),
            Expr::Literal(_) | Expr::Slot(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => {}
            // The context itself, and whatever Cedar adds: assume the worst.
            _ => self.all = true,
        }
    }
}

const fn is_context(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Context))
}

fn is_arguments(expression: &Expr) -> bool {
    matches!(expression, Expr::GetAttr { expr, attr } if attr == ARGS && is_context(expr))
}

#[cfg(test)]
mod tests;
