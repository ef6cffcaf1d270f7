//! The same condition in a form that is cheaper to evaluate. Must never change what it means, its errors included.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Template};

/// The policy with its chains of `&&` and `||` leaning right, so that a chain that is settled by its first member
/// touches one operator and not all. Members are evaluated in the same order and none more or fewer. `None` when Cedar
/// refuses the rebuilt clauses.
pub(crate) fn leaning_right(tree: &Template) -> Option<Template> {
    let clauses: Vec<Clause> = tree
        .clauses()
        .iter()
        .map(|clause| match clause {
            Clause::When(expression) => Clause::When(right(expression)),
            Clause::Unless(expression) => Clause::Unless(right(expression)),
        })
        .collect();
    tree.clone().try_with_clauses(clauses).ok()
}

fn right(expression: &Arc<Expr>) -> Arc<Expr> {
    let op = match &**expression {
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => *op,
        _ => return Arc::clone(expression),
    };
    let mut members = Vec::new();
    let mut rest = expression;
    while let Some((left, last)) = chain(rest, op) {
        members.push(last);
        rest = left;
    }
    let mut built: Option<Arc<Expr>> = None;
    for member in members {
        let member = right(member);
        built = Some(match built {
            Some(after) => Arc::new(Expr::BinaryOp { op, left: member, right: after }),
            None => member,
        });
    }
    let first = right(rest);
    match built {
        Some(after) => Arc::new(Expr::BinaryOp { op, left: first, right: after }),
        None => first,
    }
}

fn chain(expression: &Arc<Expr>, wanted: BinaryOp) -> Option<(&Arc<Expr>, &Arc<Expr>)> {
    match &**expression {
        Expr::BinaryOp { op, left, right } if *op == wanted => Some((left, right)),
        _ => None,
    }
}
