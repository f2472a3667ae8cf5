//! Small neural Turing machines in f64: addressing by hand, gradients against finite differences, and hard addresses
//! against enumeration.

use burn::module::Module;
use burn::tensor::Tensor;
use unbiased_estimators::{
    Draw, EstimatorConfig, Key, Noise, Objective, Schema, Weighing, execute,
};
use unbiased_models::ntm::{
    Address, Controller, InitialAddress, InitialMemory, Ntm, NtmConfig, NtmProgram, Order,
    Sequences, addressing,
};

use super::support::{compare, hard, machine, must_fail, sequences};
use crate::support::{device, differences, gradient, numbers, tensor, values};

/// Numbers in (-1, 1) without a pattern.
fn pattern(shape: [usize; 3], phase: f64) -> Tensor<3> {
    let n = shape.iter().product::<usize>();
    let values: Vec<f64> = (0..n).map(|i| (12.9 * i as f64 + phase).sin()).collect();
    tensor(&values, shape)
}

/// A weighting from [`pattern`].
fn weighting(shape: [usize; 3], phase: f64) -> Tensor<3> {
    burn::tensor::activation::softmax(pattern(shape, phase) * 3.0, 2)
}

fn full(shape: [usize; 3], value: f64) -> Tensor<3> {
    tensor(&vec![value; shape.iter().product()], shape)
}

/// One-hot at `index`.
fn at(slots: usize, index: usize) -> Tensor<3> {
    let values: Vec<f64> = (0..slots)
        .map(|i| f64::from(u8::from(i == index)))
        .collect();
    tensor(&values, [1, 1, slots])
}

#[test]
fn every_step_of_addressing_is_that_of_the_paper() {
    let [rows, heads, slots, width] = [2, 3, 5, 4];
    let memory = pattern([rows, slots, width], 0.3);
    let keys = pattern([rows, heads, width], 1.1);
    let strength = pattern([rows, heads, 1], 2.2) + 2.0;
    let gate = weighting([rows, 1, heads], 3.1).swap_dims(1, 2);
    let shifts = weighting([rows, heads, 3], 4.2);
    let gamma = pattern([rows, heads, 1], 5.3) + 2.0;
    let previous = weighting([rows, heads, slots], 6.4);
    let content = addressing::content(keys.clone(), strength.clone(), memory.clone());
    let mixed = addressing::interpolate(gate.clone(), content.clone(), previous.clone());
    let moved = addressing::shift(mixed.clone(), shifts.clone());
    let sharp = addressing::sharpen(moved.clone(), gamma.clone());

    let [memory, keys, strength, gate, shifts, gamma, previous] =
        [memory, keys, strength, gate, shifts, gamma, previous].map(numbers);
    let [content, mixed, moved, sharp] = [content, mixed, moved, sharp].map(numbers);
    for row in 0..rows {
        for head in 0..heads {
            let h = row * heads + head;
            let key = &keys[h * width..][..width];
            let norm = |x: &[f64]| (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
            let weight = |i: usize| {
                let m = &memory[(row * slots + i) * width..][..width];
                let dot: f64 = m.iter().zip(key).map(|(a, b)| a * b).sum();
                (strength[h] * dot / (norm(key) * norm(m))).exp()
            };
            let total: f64 = (0..slots).map(weight).sum();
            let power = |i: usize| moved[h * slots + i].powf(gamma[h]);
            let powers: f64 = (0..slots).map(power).sum();
            let mut sums = [0.0; 4];
            for i in 0..slots {
                let place = h * slots + i;
                let close =
                    |got: f64, want: f64| assert!((got - want).abs() < 1e-10, "{got} {want}");
                close(content[place], weight(i) / total);
                close(
                    mixed[place],
                    gate[h] * content[place] + (1.0 - gate[h]) * previous[place],
                );
                // sum_j w(j) s(i - j): s at 0 is a shift by -1.
                let by =
                    |shift: usize, j: usize| shifts[h * 3 + shift] * mixed[h * slots + j % slots];
                close(moved[place], by(0, i + 1) + by(1, i) + by(2, i + slots - 1));
                close(sharp[place], power(i) / powers);
                for (sum, all) in sums.iter_mut().zip([&content, &mixed, &moved, &sharp]) {
                    *sum += all[place];
                }
            }
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12), "{sums:?}");
        }
    }
}

#[test]
fn a_head_with_a_sharp_shift_moves_one_row_a_step() {
    const SLOTS: usize = 8;
    // What the network can ask for: pre-activations of 20 at most, so a shift of +1 with 1 - 4e-18, gate 2e-9, gamma 21.
    let logits = tensor(&[-20.0, -20.0, 20.0], [1, 1, 3]);
    let shifts = burn::tensor::activation::softmax(logits, 2);
    let gate = full([1, 1, 1], 1.0 / (1.0 + 20.0_f64.exp()));
    let memory = pattern([1, SLOTS, 3], 0.1);
    let keys = pattern([1, 1, 3], 0.2);
    let content = addressing::content(keys, full([1, 1, 1], 20.0), memory);
    let walk = |gamma: f64| {
        let mut w = at(SLOTS, 0);
        let mut furthest = 0.0_f64;
        for step in 1..=10 * SLOTS {
            let mixed = addressing::interpolate(gate.clone(), content.clone(), w);
            let moved = addressing::shift(mixed, shifts.clone());
            w = addressing::sharpen(moved, full([1, 1, 1], gamma));
            furthest = furthest.max(1.0 - numbers(w.clone())[step % SLOTS]);
        }
        furthest
    };
    assert!(walk(21.0) < 1e-12, "{}", walk(21.0));
    // Without sharpening the leak of every step stays: at least a part of 10 N times the gate.
    assert!(walk(1.0) > 1e-8);
}

#[test]
fn what_is_written_to_a_row_is_read_from_it() {
    let memory = pattern([1, 5, 3], 0.7);
    let add = pattern([1, 1, 3], 1.7);
    let erase = full([1, 1, 3], 1.0);
    let written = addressing::write(memory.clone(), at(5, 3), erase.clone(), add.clone());
    let seen = addressing::read(at(5, 3), written.clone());
    assert_eq!(numbers(seen), numbers(add.clone()));
    for other in [0, 1, 2, 4] {
        let [before, after] =
            [&memory, &written].map(|m| numbers(addressing::read(at(5, other), m.clone())));
        assert_eq!(before, after);
    }
    // All erases before all adds: two heads on one row leave the sum of what they add.
    let both = Tensor::cat(vec![at(5, 3), at(5, 3)], 1);
    let two = |x: Tensor<3>| Tensor::cat(vec![x.clone(), x], 1);
    let written = addressing::write(memory, both, two(erase), two(add.clone()));
    assert_eq!(
        numbers(addressing::read(at(5, 3), written)),
        numbers(add * 2.0)
    );
}

/// A soft machine with several heads, everything learned that can be.
fn soft(controller: Controller, order: Order) -> NtmConfig {
    NtmConfig {
        controller,
        hidden: vec![3, 3],
        slots: 3,
        width: 2,
        read_heads: 2,
        write_heads: 2,
        address: Address::Soft,
        order,
        initial_address: InitialAddress::Learned,
        initial_memory: InitialMemory::Learned,
        initial_advance: 0.0,
        objective: Objective::default(),
    }
}

/// Objective and gradient of every parameter.
fn exact(net: &Ntm, data: &Sequences, name: &str) -> (f64, Vec<f64>) {
    let program = NtmProgram::new(net, data);
    let objective = net.config().objective;
    let mut estimator = EstimatorConfig::named(name)
        .build(&Schema::of(&program), objective, &device().autodiff())
        .expect("defined");
    let estimate = estimator.estimate(&program, &Noise::new(0, 0));
    let cost = estimate.cost.clone().mean().into_scalar::<f64>();
    (cost, gradient(net, estimate.surrogate))
}

fn check_gradient(net: &Ntm, name: &str) {
    let data = sequences(4);
    let (_, analytic) = exact(net, &data, name);
    let numeric = differences(net, |net| exact(net, &data, name).0);
    let what = format!("{:?}", net.config());
    compare(&what, &analytic, &numeric, 1e-7).expect("the gradient");
    // Every kind of parameter takes part.
    assert!(
        analytic.iter().filter(|g| **g != 0.0).count() * 10 > analytic.len() * 9,
        "{what}"
    );
    // The check can fail: one entry wrong by 5 %.
    let mut mutant = analytic;
    let largest = mutant
        .iter_mut()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .expect("parameters");
    *largest *= 1.05;
    must_fail("5 %", compare(&what, &mutant, &numeric, 1e-7));
}

#[test]
fn soft_gradients_of_both_controllers_equal_finite_differences() {
    for controller in [Controller::Lstm, Controller::FeedForward] {
        for order in [Order::ReadFirst, Order::WriteFirst] {
            check_gradient(&machine(&soft(controller, order)), "reinforce");
        }
    }
}

#[test]
fn weightings_stay_weightings_through_a_run() {
    let net = machine(&soft(Controller::Lstm, Order::WriteFirst)).valid();
    let data = sequences(6);
    let mut state = net.start(2);
    for x in &data.inputs {
        state = net.step(x.clone(), state, &mut |_, _, _| {
            panic!("a soft machine has no choices")
        });
        let sums = numbers(state.address.clone().sum_dim(2));
        assert_eq!(sums.len(), 2 * 4);
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12), "{sums:?}");
        assert!(numbers(state.address.clone()).iter().all(|w| *w >= 0.0));
    }
}

/// Rows of a batch know nothing of each other, and a copy sees what its original sees.
#[test]
fn rows_are_independent() {
    let net = machine(&soft(Controller::Lstm, Order::ReadFirst));
    let data = sequences(4);
    let first = Sequences {
        inputs: data
            .inputs
            .iter()
            .map(|x| x.clone().narrow(0, 0, 1))
            .collect(),
        targets: data
            .targets
            .iter()
            .map(|y| y.clone().map(|y| y.narrow(0, 0, 1)))
            .collect(),
    };
    let costs = |data: &Sequences| {
        let program = NtmProgram::new(&net, data);
        let schema = Schema::of(&program);
        let mut estimator = EstimatorConfig::named("reinforce")
            .build(&schema, Objective::default(), &device().autodiff())
            .expect("defined");
        numbers(estimator.estimate(&program, &Noise::new(0, 0)).cost)
    };
    assert!((costs(&data)[0] - costs(&first)[0]).abs() < 1e-13);
}

#[test]
fn two_layers_of_an_lstm_step_are_those_of_the_definition() {
    let net = machine(&soft(Controller::Lstm, Order::ReadFirst)).valid();
    let x = sequences(1).inputs[0].clone();
    let start = net.start(2);
    let input: Vec<Vec<f64>> = {
        let joined = Tensor::cat(vec![x.clone(), start.reads.clone()], 1);
        let width = joined.dims()[1];
        numbers(joined).chunks(width).map(<[f64]>::to_vec).collect()
    };
    let state = net.step(x, start, &mut |_, _, _| panic!("no choices"));
    let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
    let hidden = numbers(state.hidden);
    for (row, input) in input.into_iter().enumerate() {
        let mut x = input;
        for (layer, h) in net.layers.iter().zip([3, 3]) {
            x.extend(vec![0.0; h]);
            let weight = numbers(layer.weight.val());
            let bias = numbers(layer.bias.as_ref().expect("a bias").val());
            let gate = |kind: usize, unit: usize| {
                let column = kind * h + unit;
                let sum: f64 = x
                    .iter()
                    .enumerate()
                    .map(|(i, x)| x * weight[i * 4 * h + column])
                    .sum();
                sum + bias[column]
            };
            // From a cell of zeros the forget gate has nothing to forget.
            x = (0..h)
                .map(|u| {
                    let cell = sigma(gate(0, u)) * gate(2, u).tanh();
                    sigma(gate(3, u)) * cell.tanh()
                })
                .collect();
        }
        for (got, want) in hidden[row * 3..].iter().zip(x) {
            assert!((got - want).abs() < 1e-12);
        }
    }
    // Forget gates start open.
    let fresh = Ntm::new(
        &soft(Controller::Lstm, Order::ReadFirst),
        3,
        2,
        0,
        &device(),
    );
    let bias = numbers(fresh.layers[1].bias.as_ref().expect("a bias").val());
    assert_eq!(
        bias,
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn gradients_of_the_enumerated_objective_equal_finite_differences() {
    for address in [Address::Slot, Address::Shift] {
        for controller in [Controller::Lstm, Controller::FeedForward] {
            let config = NtmConfig {
                controller,
                ..hard(address)
            };
            check_gradient_of_choices(&machine(&config));
        }
    }
}

/// As [`check_gradient`], over two steps.
fn check_gradient_of_choices(net: &Ntm) {
    let data = sequences(2);
    let (_, analytic) = exact(net, &data, "exact");
    let numeric = differences(net, |net| exact(net, &data, "exact").0);
    compare("enumerated", &analytic, &numeric, 1e-7).expect("the gradient");
}

#[test]
fn parameters_follow_the_seed() {
    let config = hard(Address::Slot);
    let flat = |seed| values(&Ntm::new(&config, 3, 2, seed, &device().autodiff()));
    assert_eq!(flat(1), flat(1));
    assert_ne!(flat(1), flat(2));
}

#[test]
fn a_write_head_can_start_with_a_bias_to_advance() {
    let config = NtmConfig {
        read_heads: 2,
        write_heads: 2,
        initial_advance: 3.0,
        ..hard(Address::Shift)
    };
    let net = Ntm::new(&config, 3, 2, 0, &device());
    let bias = numbers(net.heads.bias.as_ref().expect("a bias").val());
    // Adds of two heads of width 2, then three logits of each of four heads, then erases.
    assert_eq!(bias[..4], [0.0; 4]);
    assert_eq!(
        bias[4..16],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0]
    );
    assert_eq!(bias[16..], [0.0; 4]);
}

/// A larger memory changes nothing for a head that does not come round, and content addressing sees its rows.
#[test]
fn a_memory_can_grow_after_training() {
    let data = sequences(2);
    let cost = |net: &Ntm, slots: usize| {
        let net = net.clone().valid().with_slots(slots);
        let program = NtmProgram::new(&net, &data);
        let draw = |_: usize, _: &Key| Draw::Hard;
        numbers(execute(&program, 1, 1, Weighing::Analytic, &draw, &Noise::new(1, 0)).cost())
    };
    let moving = machine(&NtmConfig {
        slots: 6,
        ..hard(Address::Shift)
    });
    assert_eq!(cost(&moving, 6), cost(&moving, 60));
    let soft = machine(&NtmConfig {
        address: Address::Soft,
        ..hard(Address::Slot)
    });
    assert_ne!(cost(&soft, 2), cost(&soft, 20));
}

#[test]
fn settings_out_of_range_are_named() {
    let ok = NtmConfig::default();
    for (bad, key) in [
        (
            NtmConfig {
                hidden: vec![],
                ..ok.clone()
            },
            "hidden",
        ),
        (
            NtmConfig {
                hidden: vec![3, 0],
                ..ok.clone()
            },
            "hidden",
        ),
        (
            NtmConfig {
                slots: 1,
                ..ok.clone()
            },
            "slots",
        ),
        (
            NtmConfig {
                width: 0,
                ..ok.clone()
            },
            "width",
        ),
        (
            NtmConfig {
                read_heads: 0,
                ..ok.clone()
            },
            "read_heads",
        ),
        (
            NtmConfig {
                write_heads: 9,
                ..ok.clone()
            },
            "write_heads",
        ),
        (
            NtmConfig {
                address: Address::Shift,
                initial_address: InitialAddress::Learned,
                ..ok.clone()
            },
            "initial_address",
        ),
        (
            NtmConfig {
                initial_advance: f64::NAN,
                ..ok.clone()
            },
            "initial_advance",
        ),
        (
            NtmConfig {
                objective: Objective::LogMeanWeight { k: 0 },
                ..ok.clone()
            },
            "objective.k",
        ),
        (
            NtmConfig {
                objective: Objective::Expected { discount: 1.5 },
                ..ok
            },
            "objective.discount",
        ),
    ] {
        assert_eq!(bad.check().expect_err("out of range").key, key);
    }
}
