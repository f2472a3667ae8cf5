//! The value of an expression, and how far it is from the one that the Grammar VAE looks for.

use std::sync::LazyLock;

/// An expression in `x` of the grammar `equations`, in reverse Polish order. Read as a text, with `*` and `/` before `+`: the grammar itself has no
/// precedence.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    X,
    Number(f64),
    Add,
    Multiply,
    Divide,
    Sin,
    Exp,
}

/// What waits for its right-hand side.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Waiting {
    Operator(Step),
    /// An open bracket, and the function in front of it.
    Bracket(Option<Step>),
}

fn precedence(step: Step) -> u8 {
    u8::from(step != Step::Add)
}

impl Expression {
    /// Reads a text; `None` where it is no expression. Spaces do not matter.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        let (mut rest, mut steps, mut waiting) = (text.as_str(), Vec::new(), Vec::new());
        // Whether an operand comes next; else an operator or a closing bracket.
        let mut operand = true;
        while let Some(c) = rest.chars().next() {
            let opening = [
                ("sin(", Some(Step::Sin)),
                ("exp(", Some(Step::Exp)),
                ("(", None),
            ];
            let opening = opening
                .iter()
                .find(|(opening, _)| rest.starts_with(opening));
            let mut length = c.len_utf8();
            match (operand, c, opening) {
                (true, _, Some(&(opening, function))) => {
                    waiting.push(Waiting::Bracket(function));
                    length = opening.len();
                }
                (true, 'x' | '1' | '2' | '3', _) => {
                    let number = c.to_digit(10).map(|digit| Step::Number(f64::from(digit)));
                    steps.push(number.unwrap_or(Step::X));
                    operand = false;
                }
                (false, '+' | '*' | '/', _) => {
                    let operator = match c {
                        '+' => Step::Add,
                        '*' => Step::Multiply,
                        _ => Step::Divide,
                    };
                    while let Some(&Waiting::Operator(before)) = waiting.last() {
                        if precedence(before) < precedence(operator) {
                            break;
                        }
                        steps.push(before);
                        waiting.pop();
                    }
                    waiting.push(Waiting::Operator(operator));
                    operand = true;
                }
                (false, ')', _) => loop {
                    match waiting.pop()? {
                        Waiting::Operator(operator) => steps.push(operator),
                        Waiting::Bracket(function) => {
                            steps.extend(function);
                            break;
                        }
                    }
                },
                _ => return None,
            }
            rest = &rest[length..];
        }
        while let Some(last) = waiting.pop() {
            match last {
                Waiting::Operator(operator) => steps.push(operator),
                Waiting::Bracket(_) => return None,
            }
        }
        (!operand).then_some(Self { steps })
    }

    /// Its value at `x`, by true division; infinite or no number where it has none.
    #[must_use]
    pub fn value(&self, x: f64) -> f64 {
        self.values(&[x])[0]
    }

    /// Its values at many places.
    ///
    /// # Panics
    /// Never: what was read has an operand for every operation.
    #[must_use]
    pub fn values(&self, places: &[f64]) -> Vec<f64> {
        let mut stack: Vec<Vec<f64>> = Vec::new();
        for &step in &self.steps {
            let mut operand = || stack.pop().expect("an operand");
            let one = |mut of: Vec<f64>, f: fn(f64) -> f64| {
                for v in &mut of {
                    *v = f(*v);
                }
                of
            };
            let two = |right: Vec<f64>, mut left: Vec<f64>, f: fn(f64, f64) -> f64| {
                for (l, r) in left.iter_mut().zip(right) {
                    *l = f(*l, r);
                }
                left
            };
            let values = match step {
                Step::X => places.to_vec(),
                Step::Number(number) => vec![number; places.len()],
                Step::Sin => one(operand(), libm::sin),
                Step::Exp => one(operand(), libm::exp),
                Step::Add => two(operand(), operand(), |l, r| l + r),
                Step::Multiply => two(operand(), operand(), |l, r| l * r),
                Step::Divide => two(operand(), operand(), |l, r| l / r),
            };
            stack.push(values);
        }
        stack.pop().expect("a value")
    }
}

/// Places where expressions are compared.
const PLACES: usize = 1000;
/// The largest squared difference that counts.
const WORST: f64 = 1000.0;

/// The places where expressions are compared, from -10 to 10.
pub fn places() -> impl Iterator<Item = f64> {
    (0..PLACES).map(|i| -10.0 + 20.0 * i as f64 / (PLACES - 1) as f64)
}

/// `1/3 + x + sin(x x)`, what is looked for.
#[must_use]
pub fn target(x: f64) -> f64 {
    1.0 / 3.0 + x + libm::sin(x * x)
}

/// Those places, and what is looked for there.
static COMPARED: LazyLock<(Vec<f64>, Vec<f64>)> =
    LazyLock::new(|| places().map(|x| (x, target(x))).unzip());

/// `ln(1 + mean_i min((e(x_i) - y(x_i))^2, 1000))` at 1,000 places from -10 to 10; lower is better. Where the mean is no number, and for a text
/// that is no expression, `ln 1001`.
#[must_use]
pub fn score(text: &str) -> f64 {
    let worst = libm::log(1.0 + WORST);
    let Some(expression) = Expression::read(text) else {
        return worst;
    };
    let (places, targets) = &*COMPARED;
    let values = expression.values(places);
    let squares = values.iter().zip(targets).map(|(value, target)| {
        let square = (value - target).powi(2);
        if square > WORST { WORST } else { square }
    });
    let mean = squares.sum::<f64>() / PLACES as f64;
    if mean.is_nan() {
        return worst;
    }
    libm::log(1.0 + mean)
}
