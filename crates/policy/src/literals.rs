//! Entities that a policy names. Must never let a policy ask for facts of an entity that is not part of the call: a
//! decision knows the agent, its task, the action and the server, and about anything else would answer "no".

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Template};

/// The first expression that asks for a fact of a named entity: an attribute of it, or what it is in.
pub(crate) fn asked_of_named(policy: &Template) -> Option<String> {
    let conditions = policy.clauses().iter().map(|clause| match clause {
        Clause::When(expression) | Clause::Unless(expression) => expression,
    });
    conditions
        .into_iter()
        .find_map(|expression| search(expression))
        .map(|text| text.chars().take(120).collect())
}

fn search(expression: &Expr) -> Option<String> {
    let subject = match expression {
        Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } => Some(expr),
        Expr::Is { expr, in_expr: Some(_), .. } => Some(expr),
        Expr::BinaryOp { op: BinaryOp::In | BinaryOp::GetTag | BinaryOp::HasTag, left, .. } => Some(left),
        _ => None,
    };
    if subject.is_some_and(|subject| names_entity(subject)) {
        return Some(expression.to_string());
    }
    children(expression).into_iter().find_map(search)
}

fn names_entity(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(Literal::EntityUID(_)))
        || children(expression).into_iter().any(names_entity)
}

fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).map(|e| &**e).collect(),
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().map(|item| &**item).collect(),
        Expr::Record(members) => members.values().map(|member| &**member).collect(),
        _ => Vec::new(),
    }
}
