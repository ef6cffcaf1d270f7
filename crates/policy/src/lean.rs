//! The same condition in a form that is cheaper to evaluate. Must never change what it means, its errors included.

use std::sync::Arc;

use cedar_policy::Expression;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Template, UnaryOp};

/// All conditions of a policy in one expression, with the chains of `&&` and `||` leaning right, so that a chain that is
/// settled by its first member touches one operator and not all. Members are evaluated in the same order and none more
/// or fewer. `None` when there are no conditions.
pub(crate) fn condition(tree: &Template) -> Option<Expr> {
    let clauses = tree.clauses().iter().map(|clause| match clause {
        Clause::When(expression) => Arc::clone(expression),
        Clause::Unless(expression) => {
            Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::clone(expression) })
        }
    });
    let joined = clauses.reduce(|left, right| Arc::new(Expr::BinaryOp { op: BinaryOp::And, left, right }))?;
    Some(Arc::unwrap_or_clone(right(&joined)))
}

/// The first member of a chain of `&&`, which is evaluated first: when it is false, so is the chain.
pub(crate) fn opening(condition: &Expr) -> Option<&Expr> {
    match condition {
        Expr::BinaryOp { op: BinaryOp::And, left, .. } => Some(left),
        _ => None,
    }
}

/// As Cedar evaluates it: without locations in a source, which evaluation would copy at every step.
pub(crate) fn expression<E>(tree: Expr) -> Expression
where
    Expression: AsRef<E> + From<E>,
    E: From<Expr>,
{
    Expression::from(E::from(tree))
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
