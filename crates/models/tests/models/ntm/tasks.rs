//! The tasks of the neural Turing machine: what a sequence must look like, and what the best predictor pays.

use unbiased_models::ntm::{
    Curriculum, CurriculumName, Episodes, Size, Stream, TaskConfig, TaskName, ngram_bits,
};

const ALL: [TaskName; 5] = [
    TaskName::Copy,
    TaskName::RepeatCopy,
    TaskName::AssociativeRecall,
    TaskName::Ngrams,
    TaskName::PrioritySort,
];

fn task(name: TaskName) -> TaskConfig {
    TaskConfig {
        name,
        lengths: match name {
            TaskName::Ngrams => [200, 200],
            TaskName::PrioritySort => [20, 20],
            TaskName::AssociativeRecall => [2, 6],
            TaskName::Copy | TaskName::RepeatCopy => [1, 10],
        },
        bits: 6,
        ..TaskConfig::default()
    }
}

fn stream(batch: u64) -> Stream {
    Stream { seed: 5, batch }
}

fn size(length: usize, repeats: usize) -> Size {
    Size { length, repeats }
}

fn fnv(values: impl IntoIterator<Item = f32>) -> u64 {
    values
        .into_iter()
        .flat_map(|x| x.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// The sequences are a promise: a change would silently change every run and every figure.
#[test]
fn golden_sequences() {
    let hashes = ALL.map(|name| {
        let task = task(name);
        let episodes = task.generate(task.largest(), 3, stream(7));
        fnv(episodes.inputs.into_iter().chain(episodes.targets))
    });
    assert_eq!(hashes, GOLDEN);
}
const GOLDEN: [u64; 5] = [
    2_091_357_333_316_394_392,
    5_155_586_471_789_215_876,
    11_283_926_071_352_139_589,
    13_293_814_890_107_728_245,
    13_611_294_087_395_132_226,
];

#[test]
fn sequences_depend_on_seed_batch_and_row_and_not_on_the_number_of_rows() {
    for name in ALL {
        let task = task(name);
        let of = |rows, seed, batch| task.generate(task.largest(), rows, Stream { seed, batch });
        let base = of(2, 5, 7);
        assert_eq!(base, of(2, 5, 7));
        assert_ne!(base.inputs, of(2, 6, 7).inputs);
        assert_ne!(base.inputs, of(2, 5, 8).inputs);
        assert_ne!(base.input(0, 0), [0.0; 8]);
        let more = of(4, 5, 7);
        for t in 0..base.steps() {
            assert_eq!(base.input(t, 1), more.input(t, 1));
            assert_eq!(base.target(t, 1), more.target(t, 1));
        }
    }
}

/// Bits of a step, without the channels beside them.
fn bits(episodes: &Episodes, step: usize, row: usize) -> Vec<f32> {
    episodes.input(step, row)[..6].to_vec()
}

#[test]
fn a_copy_has_one_delimiter_and_then_puts_out_what_came_in() {
    let task = task(TaskName::Copy);
    let x = task.generate(size(4, 1), 5, stream(0));
    assert_eq!((x.steps(), x.inputs_width, x.outputs_width), (9, 7, 6));
    assert_eq!(x.counted_bits(), 24);
    for row in 0..5 {
        for t in 0..9 {
            assert_eq!(x.input(t, row)[6] == 1.0, t == 4, "the delimiter");
            assert_eq!(x.target(t, row).is_some(), t > 4);
            if t > 4 {
                assert!(x.input(t, row).iter().all(|&x| x == 0.0));
                assert_eq!(x.target(t, row), Some(&*bits(&x, t - 5, row)));
            }
        }
    }
}

#[test]
fn a_repeat_copy_repeats_as_often_as_it_says_and_ends_with_its_marker() {
    let task = task(TaskName::RepeatCopy);
    let mut counts = Vec::new();
    for repeats in 1..=10 {
        let x = task.generate(size(3, repeats), 2, stream(1));
        assert_eq!(x.steps(), 3 + 1 + 3 * repeats + 1);
        counts.push(f64::from(x.input(3, 1)[7]));
        for t in 4..4 + 3 * repeats {
            let target = x.target(t, 1).expect("it counts");
            assert_eq!(target[..6], bits(&x, (t - 4) % 3, 1));
            assert_eq!(target[6], 0.0, "no end yet");
        }
        let end = x.target(4 + 3 * repeats, 1).expect("it counts");
        assert_eq!(end, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            (0..x.steps()).filter(|&t| x.input(t, 1)[6] == 1.0).count(),
            1
        );
    }
    // The count has mean 0 and variance 1 over the training range: (1 - 5.5) / sqrt(99 / 12) is the first.
    let mean = counts.iter().sum::<f64>() / 10.0;
    let variance = counts.iter().map(|c| c * c).sum::<f64>() / 10.0;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6);
    assert!((counts[0] + 4.5 / (99.0_f64 / 12.0).sqrt()).abs() < 1e-6);
}

#[test]
fn a_recall_answers_with_the_item_after_the_query() {
    let task = task(TaskName::AssociativeRecall);
    let x = task.generate(size(5, 1), 40, stream(2));
    assert_eq!((x.steps(), x.counted_bits()), (4 * 5 + 8, 18));
    let mut asked = [0; 5];
    for row in 0..40 {
        let item =
            |start: usize| -> Vec<Vec<f32>> { (0..3).map(|i| bits(&x, start + i, row)).collect() };
        let items: Vec<_> = (0..5).map(|n| item(4 * n + 1)).collect();
        let query = item(21);
        let place = items
            .iter()
            .position(|i| *i == query)
            .expect("it was shown");
        asked[place] += 1;
        let answer: Vec<Vec<f32>> = (25..28)
            .map(|t| x.target(t, row).expect("it counts").to_vec())
            .collect();
        assert_eq!(answer, items[place + 1]);
        for t in 0..28 {
            assert_eq!(x.input(t, row)[6] == 1.0, t < 20 && t % 4 == 0);
            assert_eq!(x.input(t, row)[7] == 1.0, t == 20 || t == 24);
        }
    }
    assert!(
        asked[..4].iter().all(|&n| n > 0) && asked[4] == 0,
        "{asked:?}"
    );
}

#[test]
fn a_sort_puts_out_the_highest_priorities_in_order() {
    let task = task(TaskName::PrioritySort);
    let x = task.generate(size(20, 1), 4, stream(3));
    assert_eq!((x.steps(), x.counted_bits()), (20 + 1 + 16, 16 * 6));
    for row in 0..4 {
        let mut order: Vec<usize> = (0..20).collect();
        order.sort_by(|&a, &b| x.input(b, row)[6].total_cmp(&x.input(a, row)[6]));
        for (place, &t) in order[..16].iter().enumerate() {
            assert_eq!(x.target(21 + place, row), Some(&*bits(&x, t, row)));
        }
        assert!((0..20).all(|t| x.input(t, row)[6].abs() <= 1.0));
        assert_eq!(x.input(20, row)[7], 1.0);
    }
}

/// Each bit is the next input, and the frequencies after a context are those of one probability: over 3000 bits of one table
/// two halves of the sequence agree.
#[test]
fn an_ngram_source_has_one_probability_per_context() {
    let task = TaskConfig {
        lengths: [6000, 6000],
        context: 3,
        ..task(TaskName::Ngrams)
    };
    let x = task.generate(task.largest(), 3, stream(4));
    assert_eq!(x.steps(), 5999);
    assert_eq!(x.counted_bits(), 5997);
    for row in 0..3 {
        let mut sequence: Vec<bool> = (0..5999).map(|t| x.input(t, row)[0] > 0.5).collect();
        for t in 2..5998 {
            assert_eq!(x.target(t, row), Some(x.input(t + 1, row)));
        }
        assert!(x.target(1, row).is_none());
        sequence.push(x.target(5998, row).expect("the last")[0] > 0.5);
        let mut ones = [[[0.0_f64; 2]; 2]; 8];
        for t in 3..6000 {
            let context = (1..=3).fold(0, |c, back| {
                c | usize::from(sequence[t - back]) << (back - 1)
            });
            ones[context][t / 3000][usize::from(sequence[t])] += 1.0;
        }
        for [[z0, o0], [z1, o1]] in ones {
            let (n0, n1) = (z0 + o0, z1 + o1);
            if n0 < 30.0 || n1 < 30.0 {
                continue;
            }
            let p = (o0 + o1) / (n0 + n1);
            let deviation = (p * (1.0 - p) * (1.0 / n0 + 1.0 / n1)).sqrt();
            // 24 comparisons at 6 standard deviations.
            assert!((o0 / n0 - o1 / n1).abs() <= 6.0 * deviation + 1e-12);
        }
    }
}

/// `-log2 p(sequence | its first bits)` with the table integrated out by brute force: with `p = sin^2(pi u / 2)` and u uniform, the
/// probability of the counts of a context is a trigonometric polynomial of u, so the midpoint rule is exact.
fn marginal_bits(sequence: &[bool], context: usize) -> f64 {
    const NODES: usize = 64;
    let contexts = 1 << context;
    let p = |node: usize| {
        let angle = std::f64::consts::FRAC_PI_2 * (node as f64 + 0.5) / NODES as f64;
        angle.sin().powi(2)
    };
    // Every table on the grid would be NODES^contexts of them; contexts are independent.
    let mut total = 0.0;
    for c in 0..contexts {
        let likelihood = |node: usize, from: usize| -> f64 {
            (from..sequence.len())
                .filter(|&t| t >= context)
                .filter(|&t| {
                    (1..=context).fold(0, |x, back| {
                        x | usize::from(sequence[t - back]) << (back - 1)
                    }) == c
                })
                .map(|t| if sequence[t] { p(node) } else { 1.0 - p(node) })
                .product()
        };
        let mean: f64 = (0..NODES).map(|node| likelihood(node, 0)).sum::<f64>() / NODES as f64;
        total -= mean.log2();
    }
    total
}

#[test]
fn the_ngram_yardstick_is_the_marginal_likelihood() {
    let sequence = |number: usize, n: usize| -> Vec<bool> {
        (0..n)
            .map(|i| ((number * 2_654_435_761) >> i) & 1 == 1)
            .collect()
    };
    for context in [1, 2, 3] {
        for number in [1, 5, 77, 12345] {
            let x = sequence(number, 24);
            let (got, want) = (ngram_bits(&x, context), marginal_bits(&x, context));
            assert!(
                (got - want).abs() < 1e-9,
                "{context} {number}: {got} {want}"
            );
            // The check can fail: Laplace's rule instead of the one with 1/2.
            assert!((laplace_bits(&x, context) - want).abs() > 1e-3);
        }
    }
}

fn laplace_bits(x: &[bool], context: usize) -> f64 {
    let mut counts = vec![[1.0_f64; 2]; 1 << context];
    let mut bits = 0.0;
    for t in context..x.len() {
        let c = (1..=context).fold(0, |c, back| c | usize::from(x[t - back]) << (back - 1));
        bits -= (counts[c][usize::from(x[t])] / (counts[c][0] + counts[c][1])).log2();
        counts[c][usize::from(x[t])] += 1.0;
    }
    bits
}

/// The law of the best predictor's cost: no predictor pays less than the entropy of the source, `2 ln 2 - 1` nats a bit for
/// Beta(1/2, 1/2), and what it pays above it is what it costs to learn 32 probabilities.
#[test]
fn the_ngram_yardstick_lies_between_the_source_and_a_coin() {
    let task = task(TaskName::Ngrams);
    let x = task.generate(task.largest(), 200, stream(9));
    let bits = task.yardstick_bits(&x);
    let mean = bits.iter().sum::<f64>() / 200.0;
    let counted = x.counted_bits() as f64;
    let source = counted * (2.0 - 1.0 / std::f64::consts::LN_2);
    assert_eq!(counted, 195.0);
    assert!(mean > source && mean < counted, "{source} {mean} {counted}");
    for name in ALL {
        let task = self::task(name);
        let x = task.generate(task.largest(), 2, stream(9));
        let certain = task.yardstick_bits(&x) == [0.0, 0.0];
        assert_eq!(certain, name != TaskName::Ngrams);
    }
}

#[test]
fn curricula_follow_their_laws() {
    let task = task(TaskName::RepeatCopy);
    let at = |name, level| Curriculum {
        level,
        ..Curriculum::new(name, &task)
    };
    let sizes = |curriculum: Curriculum| -> Vec<Size> {
        (0..4000)
            .map(|step| curriculum.size(&task, 3, step))
            .collect()
    };
    assert!(
        sizes(at(CurriculumName::None, 0))
            .iter()
            .all(|&s| s == size(10, 10))
    );
    assert!(
        sizes(at(CurriculumName::Naive, 3))
            .iter()
            .all(|&s| s == size(4, 4))
    );
    let share = |sizes: &[Size], is: &dyn Fn(Size) -> bool| {
        sizes.iter().filter(|&&s| is(s)).count() as f64 / sizes.len() as f64
    };
    // 4000 draws: 6 standard errors of a share are at most 0.048.
    let near = |share: f64, want: f64| assert!((share - want).abs() < 0.048, "{share} {want}");
    let uniform = sizes(at(CurriculumName::Uniform, 0));
    for length in 1..=10 {
        near(share(&uniform, &|s| s.length == length), 0.1);
        near(share(&uniform, &|s| s.repeats == length), 0.1);
    }
    near(share(&uniform, &|s| s.length == s.repeats), 0.1);
    let back = sizes(at(CurriculumName::LookBack, 4));
    assert!(back.iter().all(|s| s.length <= 5 && s.repeats <= 5));
    near(share(&back, &|s| s == size(5, 5)), 0.9 + 0.1 / 25.0);
    let forward = sizes(at(CurriculumName::LookBackAndForward, 4));
    // Exactly the level: e = 0 of 65 %; beyond level + e only the 10 %.
    near(share(&forward, &|s| s == size(6, 6)), 0.65 / 4.0);
    near(
        share(&forward, &|s| s == size(5, 5)),
        0.65 / 2.0 + 0.25 * 0.5 / 25.0,
    );
    assert!(forward.iter().any(|s| s.length != s.repeats));
}

#[test]
fn a_level_is_left_when_it_is_learnt_and_not_before() {
    let task = task(TaskName::Copy);
    let mut curriculum = Curriculum::new(CurriculumName::Naive, &task);
    let largest = |level: usize| size(1 + level, 1 + level);
    curriculum.observe(&task, 50, largest(0), 0.01);
    assert_eq!(curriculum.level, 0, "too early");
    curriculum.observe(&task, 100, largest(0), 0.2);
    assert_eq!(curriculum.level, 0, "not learnt");
    curriculum.observe(&task, 101, largest(1), 0.01);
    assert_eq!(curriculum.level, 0, "another size");
    curriculum.observe(&task, 102, largest(0), 0.01);
    assert_eq!((curriculum.level, curriculum.risen), (1, 102));
    for step in 103..5000 {
        let of_level = size(
            (1 + curriculum.level).min(10),
            (1 + curriculum.level).min(10),
        );
        curriculum.observe(&task, step, of_level, 0.01);
    }
    assert_eq!(curriculum.level, 9, "the whole range");
    assert!(curriculum.has_levels());
    assert!(!Curriculum::new(CurriculumName::Uniform, &task).has_levels());
}

#[test]
fn sizes_out_of_range_are_named() {
    for (bad, key) in [
        (
            TaskConfig {
                bits: 0,
                ..task(TaskName::Copy)
            },
            "bits",
        ),
        (
            TaskConfig {
                lengths: [3, 2],
                ..task(TaskName::Copy)
            },
            "lengths",
        ),
        (
            TaskConfig {
                lengths: [1, 4],
                ..task(TaskName::AssociativeRecall)
            },
            "lengths",
        ),
        (
            TaskConfig {
                lengths: [5, 9],
                ..task(TaskName::Ngrams)
            },
            "lengths",
        ),
        (
            TaskConfig {
                lengths: [15, 20],
                ..task(TaskName::PrioritySort)
            },
            "lengths",
        ),
        (
            TaskConfig {
                kept: 0,
                ..task(TaskName::PrioritySort)
            },
            "kept",
        ),
        (
            TaskConfig {
                repeats: [0, 3],
                ..task(TaskName::RepeatCopy)
            },
            "repeats",
        ),
        (
            TaskConfig {
                context: 40,
                ..task(TaskName::Ngrams)
            },
            "context",
        ),
    ] {
        assert_eq!(bad.check().expect_err("out of range").key, key);
    }
}
