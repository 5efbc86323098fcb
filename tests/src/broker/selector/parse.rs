//! From the words of a selector to its tree, by recursive descent of bounded depth.

use super::{
    SelectorError,
    ast::{Expression, Factor, Literal, Relation, Term},
    like::Pattern,
    token::{Keyword, Token, tokens},
};

/// How deep parentheses, NOTs and signs may stand in one another.
const DEPTH: usize = 50;

type Parsed = Result<Expression, SelectorError>;

/// Reads a whole selector.
pub(super) fn parse(selector: &str) -> Parsed {
    let tokens = tokens(selector)?;
    let mut parser = Parser { tokens: &tokens, end: selector.len(), at: 0, depth: 0 };
    let condition = parser.condition()?;
    if parser.at < tokens.len() { Err(parser.wrong()) } else { Ok(condition) }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    end: usize,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// `or`, which must be able to be true.
    fn condition(&mut self) -> Parsed {
        let start = self.position();
        let condition = self.or()?;
        if condition.may_be_a_condition() { Ok(condition) } else { Err(SelectorError { position: start }) }
    }

    fn or(&mut self) -> Parsed {
        self.joined(Keyword::Or, Expression::Or, |parser| {
            parser.joined(Keyword::And, Expression::And, Self::not)
        })
    }

    fn joined(
        &mut self,
        keyword: Keyword,
        join: impl Fn(Vec<Expression>) -> Expression,
        part: impl Fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let start = self.position();
        let first = part(self)?;
        let mut parts = vec![first];
        while self.takes_keyword(keyword) {
            parts.push(part(self)?);
        }
        match parts.len() {
            1 => parts.pop().ok_or(SelectorError { position: start }),
            _ if parts.iter().all(Expression::may_be_a_condition) => Ok(join(parts)),
            _ => Err(SelectorError { position: start }),
        }
    }

    fn not(&mut self) -> Parsed {
        if !self.takes_keyword(Keyword::Not) {
            return self.comparison();
        }
        let start = self.position();
        let negated = self.deeper(Self::not)?;
        if negated.may_be_a_condition() {
            Ok(Expression::Not(Box::new(negated)))
        } else {
            Err(SelectorError { position: start })
        }
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        if let Some(relation) = self.relation() {
            return self.related(left, relation);
        }
        if self.takes_keyword(Keyword::Is) {
            let is_negated = self.takes_keyword(Keyword::Not);
            self.expect_keyword(Keyword::Null)?;
            let Expression::Name(name) = left else { return Err(self.wrong()) };
            return Ok(negated(Expression::IsNull(name), is_negated));
        }
        let before = self.at;
        let is_negated = self.takes_keyword(Keyword::Not);
        let condition = if self.takes_keyword(Keyword::Between) {
            self.between(left)?
        } else if self.takes_keyword(Keyword::In) {
            self.list(left)?
        } else if self.takes_keyword(Keyword::Like) {
            self.like(left)?
        } else {
            self.at = before;
            return Ok(left);
        };
        Ok(negated(condition, is_negated))
    }

    /// JMS: texts and truths are equal or not, and in no order.
    fn related(&mut self, left: Expression, relation: Relation) -> Parsed {
        let right = self.sum()?;
        let is_equality = matches!(relation, Relation::Equal | Relation::NotEqual);
        if is_equality || (left.may_be_a_number() && right.may_be_a_number()) {
            return Ok(Expression::Compare { left: Box::new(left), relation, right: Box::new(right) });
        }
        Err(self.wrong())
    }

    fn between(&mut self, value: Expression) -> Parsed {
        let least = self.sum()?;
        self.expect_keyword(Keyword::And)?;
        let most = self.sum()?;
        if [&value, &least, &most].into_iter().all(Expression::may_be_a_number) {
            let [value, least, most] = [value, least, most].map(Box::new);
            return Ok(Expression::Between { value, least, most });
        }
        Err(self.wrong())
    }

    fn list(&mut self, left: Expression) -> Parsed {
        let Expression::Name(name) = left else { return Err(self.wrong()) };
        self.expect_sign("(")?;
        let mut texts = vec![self.text()?];
        while self.takes_sign(",") {
            texts.push(self.text()?);
        }
        self.expect_sign(")")?;
        Ok(Expression::In { name, texts })
    }

    fn like(&mut self, left: Expression) -> Parsed {
        let Expression::Name(name) = left else { return Err(self.wrong()) };
        let pattern = self.text()?;
        let escape = if self.takes_keyword(Keyword::Escape) {
            let escape = self.text()?;
            let mut characters = escape.chars();
            let (Some(only), None) = (characters.next(), characters.next()) else { return Err(self.wrong()) };
            Some(only)
        } else {
            None
        };
        let pattern = Pattern::new(&pattern, escape).ok_or_else(|| self.wrong())?;
        Ok(Expression::Like { name, pattern })
    }

    fn sum(&mut self) -> Parsed {
        let first = self.product()?;
        let mut others = Vec::new();
        loop {
            let term = if self.takes_sign("+") {
                Term::Add
            } else if self.takes_sign("-") {
                Term::Subtract
            } else {
                break;
            };
            others.push((term, self.product()?));
        }
        if others.is_empty() {
            return Ok(first);
        }
        self.numbers(&first, others.iter().map(|(_, other)| other))?;
        Ok(Expression::Sum { first: Box::new(first), others })
    }

    fn product(&mut self) -> Parsed {
        let first = self.signed()?;
        let mut others = Vec::new();
        loop {
            let factor = if self.takes_sign("*") {
                Factor::Multiply
            } else if self.takes_sign("/") {
                Factor::Divide
            } else {
                break;
            };
            others.push((factor, self.signed()?));
        }
        if others.is_empty() {
            return Ok(first);
        }
        self.numbers(&first, others.iter().map(|(_, other)| other))?;
        Ok(Expression::Product { first: Box::new(first), others })
    }

    fn numbers<'e>(
        &self,
        first: &Expression,
        mut others: impl Iterator<Item = &'e Expression>,
    ) -> Result<(), SelectorError> {
        let all = first.may_be_a_number() && others.all(Expression::may_be_a_number);
        if all { Ok(()) } else { Err(self.wrong()) }
    }

    fn signed(&mut self) -> Parsed {
        if self.takes_sign("+") {
            let value = self.deeper(Self::signed)?;
            return if value.may_be_a_number() { Ok(value) } else { Err(self.wrong()) };
        }
        if !self.takes_sign("-") {
            return self.primary();
        }
        let value = self.deeper(Self::signed)?;
        if value.may_be_a_number() { Ok(Expression::Negative(Box::new(value))) } else { Err(self.wrong()) }
    }

    fn primary(&mut self) -> Parsed {
        if self.takes_sign("(") {
            let inner = self.deeper(Self::or)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let primary = match self.token() {
            Some(Token::Literal(literal)) => Expression::Literal(literal.clone()),
            Some(Token::Name(name)) => Expression::Name(name.clone()),
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(primary)
    }

    /// Goes one level down, if there is one.
    fn deeper(&mut self, part: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == DEPTH {
            return Err(self.wrong());
        }
        self.depth += 1;
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    fn relation(&mut self) -> Option<Relation> {
        let Some(Token::Sign(sign)) = self.token() else { return None };
        let relation = match *sign {
            "=" => Relation::Equal,
            "<>" => Relation::NotEqual,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(relation)
    }

    fn text(&mut self) -> Result<String, SelectorError> {
        let Some(Token::Literal(Literal::Text(text))) = self.token() else { return Err(self.wrong()) };
        let text = text.clone();
        self.at += 1;
        Ok(text)
    }

    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        let is_there = self.token() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn takes_keyword(&mut self, keyword: Keyword) -> bool {
        self.takes(&Token::Keyword(keyword))
    }

    fn takes_sign(&mut self, sign: &'static str) -> bool {
        self.takes(&Token::Sign(sign))
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Result<(), SelectorError> {
        if self.takes_keyword(keyword) { Ok(()) } else { Err(self.wrong()) }
    }

    fn expect_sign(&mut self, sign: &'static str) -> Result<(), SelectorError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.wrong()) }
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(position, _)| *position)
    }

    /// What is here cannot be.
    fn wrong(&self) -> SelectorError {
        SelectorError { position: self.position() }
    }
}

fn negated(condition: Expression, is_negated: bool) -> Expression {
    if is_negated { Expression::Not(Box::new(condition)) } else { condition }
}
