//! A selector as a tree. Its depth is bounded by the parser; what can be long is a list.

use super::like::Pattern;

/// Something with a value, or with none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// True if all are.
    And(Vec<Self>),
    Between {
        value: Box<Self>,
        least: Box<Self>,
        most: Box<Self>,
    },
    Compare {
        left: Box<Self>,
        relation: Relation,
        right: Box<Self>,
    },
    In {
        name: String,
        texts: Vec<String>,
    },
    IsNull(String),
    Like {
        name: String,
        pattern: Pattern,
    },
    Literal(Literal),
    Name(String),
    Negative(Box<Self>),
    Not(Box<Self>),
    /// True if one is.
    Or(Vec<Self>),
    Product {
        first: Box<Self>,
        others: Vec<(Factor, Self)>,
    },
    Sum {
        first: Box<Self>,
        others: Vec<(Term, Self)>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Integer(i64),
    Real(f64),
    Text(String),
    Truth(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NotEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Add,
    Subtract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    Divide,
    Multiply,
}

impl Expression {
    /// Whether it can be true or false.
    pub(super) const fn may_be_a_condition(&self) -> bool {
        matches!(
            self,
            Self::And(_)
                | Self::Between { .. }
                | Self::Compare { .. }
                | Self::In { .. }
                | Self::IsNull(_)
                | Self::Like { .. }
                | Self::Literal(Literal::Truth(_))
                | Self::Name(_)
                | Self::Not(_)
                | Self::Or(_)
        )
    }

    /// Whether it can be a number.
    pub(super) const fn may_be_a_number(&self) -> bool {
        matches!(
            self,
            Self::Literal(Literal::Integer(_) | Literal::Real(_))
                | Self::Name(_)
                | Self::Negative(_)
                | Self::Product { .. }
                | Self::Sum { .. }
        )
    }
}
