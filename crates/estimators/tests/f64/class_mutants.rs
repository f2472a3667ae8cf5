//! Estimators that evaluate several values of a choice, with one mistake each: sum-and-sample, the measure-valued derivative of one-hot
//! choices and enumeration. The checks that the real ones pass must catch every mistake.

use std::cmp::Ordering;

use burn::tensor::{Tensor, activation::softmax};
use unbiased_estimators::{
    Draw, Key, Objective, Schema, SiteSchema, Weighing, execute,
    rules::{At, Gradient, Rule},
};

use crate::{
    estimate::{EXPECTED, check, exact, must_fail},
    grid::Plan,
    monte_carlo::Moments,
    mutants::{everywhere, judge},
    programs::Model,
    small::{Chain, OneBit, OneOfThree, TwoBits},
};

fn untuned(logits: Tensor<2>) -> Gradient {
    Gradient {
        logits,
        tuning: None,
        evaluations: 0.0,
    }
}

/// `x` at the class of a one-hot `class`, `[rows, 1]`.
fn pick(x: &Tensor<2>, class: &Tensor<2>) -> Tensor<2> {
    (x.clone() * class.clone()).sum_dim(1)
}

#[derive(Clone, Copy)]
enum Sum {
    Right,
    /// The sampled class counts as if it stood for all of them.
    Unweighed,
    /// The class of the main run stands for the rest, also where it is in the sum.
    FromAll,
    /// The baseline is the cost of the sampled class.
    OwnBaseline,
}

/// The most probable class summed over and one of the others sampled.
#[derive(Clone)]
struct SumAndSample(Sum);

impl Rule for SumAndSample {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (made, p) = (at.hard(), softmax(at.params(), 1));
        let law = at.site().law.clone();
        let none = at.choice_noise().zeros_like();
        let first = law.sample(at.params(), none.clone());
        let apart = at.params() + at.choice_noise() - first.clone() * 1e3;
        let drawn = match self.0 {
            Sum::FromAll => made,
            _ => law.sample(apart, none),
        };
        let f = at.replay(Tensor::cat(vec![first.clone(), drawn.clone()], 0));
        let f = f.transpose();
        let (summed, sampled) = (f.clone().narrow(1, 0, 1), f.narrow(1, 1, 1));
        let inside = pick(&p, &first);
        let outside = match self.0 {
            Sum::Unweighed => inside.ones_like(),
            _ => inside.clone().neg() + 1.0,
        };
        let baseline = match self.0 {
            Sum::OwnBaseline => sampled.clone(),
            _ => sampled.zeros_like() + 0.3,
        };
        Some(untuned(
            inside * (summed - baseline.clone()) * (first - p.clone())
                + outside * (sampled - baseline) * (drawn - p),
        ))
    }
}

#[test]
fn mistakes_in_sum_and_sample_are_caught() {
    let judge = |sum| judge(&SumAndSample(sum), &OneOfThree, EXPECTED, &Plan::orders());
    check(judge(Sum::Right));
    must_fail("a sample that is not weighed", judge(Sum::Unweighed));
    must_fail("a sample that is in the sum", judge(Sum::FromAll));
    must_fail("a baseline that sees the sample", judge(Sum::OwnBaseline));
}

#[derive(Clone, Copy)]
enum Difference {
    Right,
    /// The other half of the difference is the mean of all classes alike.
    AllAlike,
    /// Without the probability in front.
    NoFactor,
    /// Each class has the cost of the next one.
    Shifted,
    WrongSign,
}

/// `p_k (f(k) - sum_j p_j f(j))` of a single choice of three.
#[derive(Clone)]
struct MeasureValued(Difference);

impl Rule for MeasureValued {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let p = softmax(at.params(), 1);
        let classes = (0..3).map(|class| {
            let unit = p.zeros_like();
            let one = unit.clone().narrow(1, 0, 1) + 1.0;
            unit.slice_assign([0..p.dims()[0], class..class + 1], one)
        });
        let f = at.replay(Tensor::cat(classes.collect(), 0)).transpose();
        let f = match self.0 {
            Difference::Shifted => {
                Tensor::cat(vec![f.clone().narrow(1, 1, 2), f.narrow(1, 0, 1)], 1)
            }
            _ => f,
        };
        let mean = match self.0 {
            Difference::AllAlike => f.clone().mean_dim(1),
            _ => (p.clone() * f.clone()).sum_dim(1),
        };
        let factor = match self.0 {
            Difference::NoFactor => p.ones_like(),
            Difference::WrongSign => p.neg(),
            _ => p,
        };
        Some(untuned(factor * (f - mean)))
    }
}

#[test]
fn mistakes_in_a_difference_of_classes_are_caught() {
    let judge = |difference| {
        let rule = MeasureValued(difference);
        judge(&rule, &OneOfThree, EXPECTED, &Plan::outcomes(1))
    };
    check(judge(Difference::Right));
    must_fail("a mean of classes alike", judge(Difference::AllAlike));
    must_fail("a class without its factor", judge(Difference::NoFactor));
    must_fail("classes in another order", judge(Difference::Shifted));
    must_fail("classes of the wrong sign", judge(Difference::WrongSign));
}

#[derive(Clone, Copy)]
enum Values {
    Right,
    /// The values count alike.
    Unweighed,
    /// The first value is left out.
    NoFirst,
    /// Choices after this one keep what they were for the value that was drawn.
    LaterKept,
}

/// All values of a choice, the others as they were drawn.
#[derive(Clone)]
struct Enumerated(Values);

impl Rule for Enumerated {
    fn check(&self, _: &SiteSchema, _: &Schema, _: &Objective) -> Result<(), String> {
        Ok(())
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let (law, params) = (at.site().law.clone(), at.params());
        let [rows, columns] = params.dims();
        let mut support = law.support(columns, 100).expect("few values");
        if matches!(self.0, Values::NoFirst) {
            support.remove(0);
        }
        let mut sum = params.zeros_like();
        for state in &support {
            let like = (&params.device(), params.dtype());
            let value = Tensor::<1>::from_data(state.as_slice(), like).unsqueeze::<2>();
            let value = value.repeat_dim(0, rows);
            let costs = match self.0 {
                Values::LaterKept => Self::kept(at, &value),
                _ => at.replay(value.clone()).transpose(),
            };
            let p = match self.0 {
                Values::Unweighed => costs.ones_like() / support.len() as f64,
                _ => law
                    .log_prob(params.clone(), value.clone())
                    .exp()
                    .unsqueeze_dim::<2>(1),
            };
            sum = sum + p * costs * law.score(params.clone(), value);
        }
        Some(untuned(sum))
    }
}

impl Enumerated {
    fn kept(at: &At<'_>, value: &Tensor<2>) -> Tensor<2> {
        let draw = |index: usize, _: &Key| match index.cmp(&at.index()) {
            Ordering::Equal => Draw::Given(value.clone()),
            _ => Draw::Given(at.trace().sites[index].hard.clone()),
        };
        let trace = execute(at.frozen(), 1, 1, Weighing::Analytic, &draw, at.noise());
        let cost = trace.cost_to_go(at.index(), 1.0);
        cost.expect("a cost after the choice")
            .inner()
            .unsqueeze_dim::<2>(1)
    }
}

#[test]
fn mistakes_in_enumeration_of_one_choice_are_caught() {
    for model in [&OneBit as &dyn Model, &TwoBits, &OneOfThree] {
        let judge = |values| judge(&Enumerated(values), model, EXPECTED, &Plan::outcomes(1));
        check(judge(Values::Right));
        must_fail("values that count alike", judge(Values::Unweighed));
        must_fail("values without the first", judge(Values::NoFirst));
    }
}

/// What follows another value has noise cells of its own, so that this is Monte Carlo.
#[test]
fn later_choices_that_do_not_follow_another_value_are_caught() {
    let want = exact(&Chain, &Chain.parameters(), EXPECTED);
    let judge = |values| {
        let mut estimator = everywhere(&Enumerated(values), &Chain, EXPECTED);
        let moments = Moments::of(&mut estimator, &Chain, 100_000, 37);
        moments.against("values", &want, &vec![0.0; want.len()])
    };
    check(judge(Values::Right));
    must_fail("later choices that stay", judge(Values::LaterKept));
}

/// The estimators themselves, each a factor off.
#[test]
fn a_factor_on_what_several_values_give_is_caught() {
    #[derive(Clone)]
    struct Off<R>(R);
    impl<R: Rule> Rule for Off<R> {
        fn check(&self, site: &SiteSchema, schema: &Schema, of: &Objective) -> Result<(), String> {
            self.0.check(site, schema, of)
        }
        fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
            let right = self.0.gradient(at)?;
            Some(untuned(right.logits * 1.000_001))
        }
    }
    use unbiased_estimators::rules::{enumerated, measure_valued, sum_and_sample};
    let (set, values) = (
        sum_and_sample::SumAndSample { k: 2 },
        enumerated::Enumerated,
    );
    let differences = measure_valued::MeasureValued;
    let plan = Plan::orders();
    check(judge(&set, &OneOfThree, EXPECTED, &plan));
    must_fail(
        "sum-and-sample",
        judge(&Off(set), &OneOfThree, EXPECTED, &plan),
    );
    check(judge(&values, &OneOfThree, EXPECTED, &plan));
    must_fail(
        "enumeration",
        judge(&Off(values), &OneOfThree, EXPECTED, &plan),
    );
    check(judge(&differences, &OneOfThree, EXPECTED, &plan));
    must_fail(
        "differences",
        judge(&Off(differences), &OneOfThree, EXPECTED, &plan),
    );
}
