//! The value of a selector for a message, in the three-valued logic of SQL: what depends on a header that is not there is
//! neither true nor false.

use core::cmp::Ordering;
use std::borrow::Cow;

use super::{
    Typing,
    ast::{Expression, Factor, Literal, Relation, Term},
};

/// The value of a header or of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Truth(bool),
}

/// Where the values of headers come from.
pub(super) struct Scope<'s, F> {
    pub(super) typing: Typing,
    pub(super) header: &'s F,
}

impl<'v, F: Fn(&str) -> Option<Value<'v>>> Scope<'_, F> {
    /// Whether a condition is true or false, if it is known.
    pub(super) fn truth<'e: 'v>(&self, condition: &'e Expression) -> Option<bool> {
        match condition {
            Expression::And(parts) => self.joined(parts, false),
            Expression::Or(parts) => self.joined(parts, true),
            Expression::Not(negated) => self.truth(negated).map(|truth| !truth),
            Expression::IsNull(name) => Some((self.header)(name).is_none()),
            Expression::In { name, texts } => {
                let text = self.text(name)?;
                Some(texts.iter().any(|listed| *listed == text))
            }
            Expression::Like { name, pattern } => Some(pattern.matches(&self.text(name)?)),
            Expression::Between { value, least, most } => {
                let (value, least, most) = (self.value(value)?, self.value(least)?, self.value(most)?);
                let is_above = self.order(&least, &value)?.is_le();
                Some(is_above && self.order(&value, &most)?.is_le())
            }
            Expression::Compare { left, relation, right } => {
                let order = self.compare(&self.value(left)?, *relation, &self.value(right)?)?;
                Some(relation.holds(order))
            }
            _ => match self.value(condition)? {
                Value::Truth(truth) => Some(truth),
                // ActiveMQ converts what is compared, and nothing else.
                Value::Integer(_) | Value::Real(_) | Value::Text(_) => None,
            },
        }
    }

    /// AND is false, and OR is true, as soon as one part is; what is unknown makes the rest unknown.
    fn joined<'e: 'v>(&self, parts: &'e [Expression], decisive: bool) -> Option<bool> {
        let mut result = Some(!decisive);
        for part in parts {
            match self.truth(part) {
                Some(truth) if truth == decisive => return Some(decisive),
                Some(_) => {}
                None => result = None,
            }
        }
        result
    }

    fn value<'e: 'v>(&self, expression: &'e Expression) -> Option<Value<'v>> {
        match expression {
            Expression::Literal(Literal::Integer(value)) => Some(Value::Integer(*value)),
            Expression::Literal(Literal::Real(value)) => Some(Value::Real(*value)),
            Expression::Literal(Literal::Text(value)) => Some(Value::Text(Cow::Borrowed(value))),
            Expression::Literal(Literal::Truth(value)) => Some(Value::Truth(*value)),
            Expression::Name(name) => (self.header)(name),
            Expression::Negative(value) => match self.value(value)? {
                Value::Integer(value) => value.checked_neg().map(Value::Integer),
                Value::Real(value) => Some(Value::Real(-value)),
                Value::Text(_) | Value::Truth(_) => None,
            },
            Expression::Sum { first, others } => {
                let mut sum = self.value(first)?;
                for (term, other) in others {
                    sum = add(&sum, *term, &self.value(other)?)?;
                }
                Some(sum)
            }
            Expression::Product { first, others } => {
                let mut product = self.value(first)?;
                for (factor, other) in others {
                    product = multiply(&product, *factor, &self.value(other)?)?;
                }
                Some(product)
            }
            condition => self.truth(condition).map(Value::Truth),
        }
    }

    fn text(&self, name: &str) -> Option<Cow<'v, str>> {
        match (self.header)(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How two values are ordered, as far as the relation is about that.
    fn compare(&self, left: &Value<'v>, relation: Relation, right: &Value<'v>) -> Option<Ordering> {
        let is_equality = matches!(relation, Relation::Equal | Relation::NotEqual);
        match (left, right) {
            (Value::Text(left), Value::Text(right)) if is_equality => Some(left.cmp(right)),
            (Value::Truth(left), Value::Truth(right)) if is_equality => Some(left.cmp(right)),
            (Value::Text(text), Value::Truth(truth)) | (Value::Truth(truth), Value::Text(text))
                if is_equality && self.typing == Typing::Converted =>
            {
                truth_of(text).map(|text| text.cmp(truth))
            }
            _ => self.order(left, right),
        }
    }

    /// How two numbers are ordered. A text may be one.
    fn order(&self, left: &Value<'v>, right: &Value<'v>) -> Option<Ordering> {
        match (left, right) {
            (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
            (Value::Text(_), Value::Text(_)) => None,
            (Value::Text(text), number) => self.order(&self.number_of(text)?, number),
            (number, Value::Text(text)) => self.order(number, &self.number_of(text)?),
            _ => real(left)?.partial_cmp(&real(right)?),
        }
    }

    fn number_of(&self, text: &str) -> Option<Value<'v>> {
        if self.typing != Typing::Converted {
            return None;
        }
        let integer = text.parse().map(Value::Integer);
        integer.ok().or_else(|| text.parse().ok().filter(|real: &f64| real.is_finite()).map(Value::Real))
    }
}

impl Relation {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

fn truth_of(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("false") { Some(is("true")) } else { None }
}

#[allow(clippy::cast_precision_loss, reason = "Java promotes a long to a double in the same way")]
fn real(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Real(value) => Some(*value),
        Value::Text(_) | Value::Truth(_) => None,
    }
}

/// A text is no number here: ActiveMQ does not convert headers in arithmetic.
fn add<'v>(left: &Value<'v>, term: Term, right: &Value<'v>) -> Option<Value<'v>> {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        let sum = match term {
            Term::Add => left.checked_add(*right),
            Term::Subtract => left.checked_sub(*right),
        };
        return sum.map(Value::Integer);
    }
    let (left, right) = (real(left)?, real(right)?);
    Some(Value::Real(match term {
        Term::Add => left + right,
        Term::Subtract => left - right,
    }))
}

fn multiply<'v>(left: &Value<'v>, factor: Factor, right: &Value<'v>) -> Option<Value<'v>> {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        let product = match factor {
            Factor::Divide => left.checked_div(*right),
            Factor::Multiply => left.checked_mul(*right),
        };
        return product.map(Value::Integer);
    }
    let (left, right) = (real(left)?, real(right)?);
    Some(Value::Real(match factor {
        Factor::Divide => left / right,
        Factor::Multiply => left * right,
    }))
}
