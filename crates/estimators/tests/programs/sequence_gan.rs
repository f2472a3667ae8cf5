//! The generator of a text GAN: three symbols in a row, judged as a whole by a table that nothing is differentiated
//! through. Rollouts tell each symbol its return.

use burn::tensor::{Int, Tensor, activation::softmax};
use unbiased_estimators::{
    Abilities, Key, Noise, NoiseLaw, Role, Run, Site,
    law::{Categorical, Law},
};

use super::{Model, Theta, constant, sum};

/// How a symbol learns what it led to.
#[derive(Clone, Copy, PartialEq)]
pub enum Returns {
    /// From the reported cost.
    Cost,
    /// As a signal: the expected cost given the symbols so far.
    Expected,
    /// As a signal: the cost of one completion of the sentence by noise of its own.
    Rollout,
}

pub struct SequenceGan {
    returns: Returns,
    abilities: Abilities,
    completions: Noise,
}

impl SequenceGan {
    pub fn new(returns: Returns) -> Self {
        Self {
            returns,
            abilities: Abilities::TABLE,
            completions: Noise::new(77, 0),
        }
    }
}

const CHOICE: Categorical = Categorical { classes: 3 };

/// What the discriminator says of each sentence; first symbol most significant.
pub fn judgement(sentence: usize) -> f64 {
    ((sentence * 7 + 3) % 11) as f64 / 5.0 - 1.0
        + if sentence.is_multiple_of(4) { 0.8 } else { 0.0 }
}

/// The table as `[3, 9]` or so, on the device of `like`.
fn judgements(like: &Tensor<2>) -> Tensor<1> {
    let table: Vec<f64> = (0..27).map(judgement).collect();
    constant(&table, &like.device().without_autodiff())
}

/// The cost of sentences of one-hot symbols `[rows, 3]`, looked up.
fn judge(symbols: &[Tensor<2>]) -> Tensor<1> {
    let digits =
        constant(&[0.0, 1.0, 2.0], &symbols[0].device().without_autodiff()).unsqueeze::<2>();
    let index = symbols
        .iter()
        .map(|symbol| sum(symbol.clone().inner() * digits.clone()))
        .reduce(|index, digit| index * 3.0 + digit)
        .expect("symbols");
    let index: Tensor<1, Int> = (index + 0.25).int();
    judgements(&symbols[0]).select(0, index)
}

impl Model for SequenceGan {
    fn name(&self) -> &'static str {
        "sequence gan"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.3, -0.2, 0.1, // first symbol
            0.5, -0.4, 0.2, 0.1, 0.6, -0.7, -0.3, 0.2, 0.4, // next symbol, by the one before
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let rows = theta.rows();
        let mut logits = theta.take(3);
        let transition = theta.take(9).reshape([rows, 3, 3]);
        let next = softmax(transition.clone().inner(), 2);
        let mut symbols: Vec<Tensor<2>> = Vec::new();
        for _ in 0..3 {
            let context = symbols
                .last()
                .cloned()
                .unwrap_or_else(|| theta.constant(&[0.0; 3]));
            let site = Site::new(logits).context(context);
            let symbol = run.categorical("symbol", 3, site);
            logits = symbol.select(transition.clone());
            symbols.push(symbol.hard);
            match self.returns {
                Returns::Cost => {}
                Returns::Expected => run.signal(run.mark(), expected(&symbols, &next)),
                Returns::Rollout => {
                    let cost = self.roll_out(symbols.clone(), &transition, run);
                    run.signal(run.mark(), cost);
                }
            }
        }
        run.cost("judgement", judge(&symbols), run.mark());
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

/// The expected judgement given the first symbols, with `next` `[rows, 3, 3]` the transition probabilities.
fn expected(symbols: &[Tensor<2>], next: &Tensor<3>) -> Tensor<1> {
    let rows = next.dims()[0];
    let at = |symbol: &Tensor<2>, table: Tensor<3>| {
        (symbol.clone().reshape([rows, 3, 1]) * table)
            .sum_dim(1)
            .reshape([rows as i32, -1])
    };
    let table = judgements(&symbols[0])
        .reshape([1, 3, 9])
        .expand([rows, 3, 9]);
    let after_first = at(&symbols[0], table).reshape([rows, 3, 3]);
    if symbols.len() == 1 {
        // [second] = sum over the third.
        let of_second = (next.clone() * after_first).sum_dim(2).reshape([rows, 3]);
        return sum(of_second * at(&symbols[0], next.clone()));
    }
    let after_second = at(&symbols[1], after_first);
    if symbols.len() == 2 {
        return sum(after_second * at(&symbols[1], next.clone()));
    }
    sum(after_second * symbols[2].clone())
}

impl SequenceGan {
    fn roll_out(
        &self,
        mut symbols: Vec<Tensor<2>>,
        transition: &Tensor<3>,
        run: &Run<'_>,
    ) -> Tensor<1> {
        let rows = transition.dims()[0];
        let device = transition.device().without_autodiff();
        let transition = transition.clone().inner();
        let start = symbols.len();
        for step in start..3 {
            let last = symbols[step - 1].clone().reshape([rows, 3, 1]);
            let logits = (last * transition.clone()).sum_dim(1).reshape([rows, 3]);
            // Each symbol of the sentence has completions of its own.
            let key = Key::new("completion", 3 * start + step);
            let (copies, batch) = (run.copies(), rows / run.copies());
            let noise = self.completions.draw(
                NoiseLaw::Gumbel,
                &key,
                Role::Other(0),
                copies,
                copies,
                batch,
                3,
                &device,
            );
            symbols.push(CHOICE.sample(logits, noise));
        }
        judge(&symbols)
    }
}
