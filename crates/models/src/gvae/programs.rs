//! Straight-line programs: what they compute, and how far that is from the program that the Syntax-Directed VAE looks for.

/// A program of the language `programs`: `v1=sin(v0);v2=v1-1;return:v2`, with the input `v0`.
#[derive(Debug, Clone, PartialEq)]
pub struct StraightLine {
    assignments: Vec<(usize, Value)>,
    result: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Unary(char, Operand),
    Binary(Operand, char, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operand {
    Variable(usize),
    Number(f64),
}

/// Variables, `v0` among them.
const VARIABLES: usize = 10;

impl StraightLine {
    /// Reads a text; `None` where it is no program, or reads what has no value.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (body, result) = match text.rsplit_once(';') {
            Some((body, last)) => (Some(body), last),
            None => (None, text),
        };
        let mut assigned = [false; VARIABLES];
        assigned[0] = true;
        let mut assignments = Vec::new();
        for statement in body.into_iter().flat_map(|body| body.split(';')) {
            let (target, value) = statement.split_once('=')?;
            let value = Value::read(value)?;
            if !value.variables().all(|variable| assigned[variable]) {
                return None;
            }
            let target = variable(target)?;
            assigned[target] = true;
            assignments.push((target, value));
        }
        let result = variable(result.strip_prefix("return:")?)?;
        assigned[result].then_some(Self {
            assignments,
            result,
        })
    }

    /// Statements, `return` among them.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.assignments.len() + 1
    }

    /// What it returns for an input; `None` where a value on the way is not finite.
    #[must_use]
    pub fn value(&self, input: f64) -> Option<f64> {
        let mut variables = [0.0; VARIABLES];
        variables[0] = input;
        for &(target, value) in &self.assignments {
            variables[target] = value.of(&variables);
            if !variables[target].is_finite() {
                return None;
            }
        }
        Some(variables[self.result])
    }
}

impl Value {
    fn read(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('-') {
            return Some(Self::Unary('-', operand(rest)?));
        }
        for function in ["sin", "cos", "exp"] {
            if let Some(rest) = text.strip_prefix(function) {
                let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
                return Some(Self::Unary(function.chars().next()?, operand(inner)?));
            }
        }
        let at = text.find(['+', '-', '*', '/'])?;
        let operator = text[at..].chars().next()?;
        Some(Self::Binary(
            operand(&text[..at])?,
            operator,
            operand(&text[at + 1..])?,
        ))
    }

    fn variables(self) -> impl Iterator<Item = usize> {
        let operands = match self {
            Self::Unary(_, a) => [Some(a), None],
            Self::Binary(a, _, b) => [Some(a), Some(b)],
        };
        let variable = |operand| match operand {
            Some(Operand::Variable(variable)) => Some(variable),
            _ => None,
        };
        operands.into_iter().filter_map(variable)
    }

    fn of(self, variables: &[f64; VARIABLES]) -> f64 {
        let of = |operand| match operand {
            Operand::Variable(variable) => variables[variable],
            Operand::Number(number) => number,
        };
        match self {
            Self::Unary('s', a) => libm::sin(of(a)),
            Self::Unary('c', a) => libm::cos(of(a)),
            Self::Unary('e', a) => libm::exp(of(a)),
            Self::Unary(_, a) => -of(a),
            Self::Binary(a, '+', b) => of(a) + of(b),
            Self::Binary(a, '-', b) => of(a) - of(b),
            Self::Binary(a, '*', b) => of(a) * of(b),
            Self::Binary(a, _, b) => of(a) / of(b),
        }
    }
}

fn variable(text: &str) -> Option<usize> {
    digit(text.strip_prefix('v')?)
}

fn operand(text: &str) -> Option<Operand> {
    match variable(text) {
        Some(variable) => Some(Operand::Variable(variable)),
        None => Some(Operand::Number(digit(text).filter(|&d| d > 0)? as f64)),
    }
}

fn digit(text: &str) -> Option<usize> {
    (text.len() == 1).then(|| text.parse().ok()).flatten()
}

/// Places where programs are compared.
const PLACES: usize = 1000;

/// `exp(sin(v0)) - 1`, what is looked for: `v1=sin(v0);v2=exp(v1);v3=v2-1;return:v3`.
#[must_use]
pub fn golden(input: f64) -> f64 {
    libm::exp(libm::sin(input)) - 1.0
}

/// `ln(1 + mean_i min((p(x_i) - y(x_i))^2, e^16))` at 1,000 places from -5 to 5; lower is better. Places where a program has no value count as
/// `e^16`, and so does a text that is no program.
#[must_use]
pub fn program_score(text: &str) -> f64 {
    let worst = libm::exp(16.0);
    let program = StraightLine::read(text);
    let square = |i: usize| {
        let x = -5.0 + 10.0 * i as f64 / (PLACES - 1) as f64;
        let value = program.as_ref().and_then(|program| program.value(x));
        value.map_or(worst, |value| (value - golden(x)).powi(2).min(worst))
    };
    let mean = (0..PLACES).map(square).sum::<f64>() / PLACES as f64;
    libm::log(1.0 + mean)
}
