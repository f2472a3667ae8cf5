//! Exp3.S against its equations, and what it is for: it finds what gains most, and follows it when it changes.

use unbiased_models::ntm::{Bandit, Curriculum, CurriculumName, Size, TaskConfig, TaskName};

/// Uniform numbers that have nothing to do with those of the crate.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Gains of arm `i` around `means[i]`, for so many pulls; how often each arm was pulled.
fn play(
    bandit: &mut Bandit,
    means: &[f64],
    pulls: u64,
    tell: impl Fn(usize, f64) -> f64,
) -> Vec<u64> {
    let mut numbers = Numbers(5);
    let mut counts = vec![0; means.len()];
    for _ in 0..pulls {
        let arm = bandit.arm(numbers.next());
        counts[arm] += 1;
        let gain = means[arm] + 0.5 * (numbers.next() - 0.5);
        bandit.observe(arm, tell(arm, gain), 7);
    }
    counts
}

const MEANS: [f64; 5] = [0.0, 0.3, 1.0, -0.2, 0.1];

fn is_policy(policy: &[f64]) {
    let sum: f64 = policy.iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    let least = 0.05 / policy.len() as f64;
    assert!(policy.iter().all(|&p| p >= least), "{policy:?}");
}

#[test]
fn it_finds_the_arm_that_gains_most() {
    let mut bandit = Bandit::new(5);
    is_policy(&bandit.policy());
    play(&mut bandit, &MEANS, 6000, |_, gain| gain);
    let policy = bandit.policy();
    is_policy(&policy);
    assert!(policy[2] > 0.8, "{policy:?}");

    // The check can fail: told another arm's gains, the same gain for all, or losses.
    for (name, tell) in [
        (
            "shuffled",
            (|arm, gain| gain - MEANS[arm] + MEANS[(arm + 1) % 5]) as fn(usize, f64) -> f64,
        ),
        ("alike", |arm, gain| gain - MEANS[arm]),
        ("loss", |_, gain| -gain),
    ] {
        let mut bandit = Bandit::new(5);
        play(&mut bandit, &MEANS, 6000, tell);
        let policy = bandit.policy();
        is_policy(&policy);
        assert!(policy[2] < 0.5, "{name}: {policy:?}");
    }
}

#[test]
fn it_follows_when_another_arm_becomes_the_best() {
    let mut bandit = Bandit::new(5);
    play(&mut bandit, &MEANS, 4000, |_, gain| gain);
    let before = bandit.policy();
    let moved = [1.0, 0.3, 0.0, -0.2, 0.1];
    play(&mut bandit, &moved, 12_000, |_, gain| gain);
    let after = bandit.policy();
    assert!(
        before[2] > 0.6 && after[0] > 0.6 && after[2] < 0.2,
        "{before:?} {after:?}"
    );
}

/// One pull by the equations of the paper, without logarithms or shifts. `importance` is 1 / pi of the pulled arm.
fn by_hand(w: &[f64], arm: usize, reward: f64, importance: f64, t: u64) -> Vec<f64> {
    let (n, leak) = (w.len(), 1.0 / t as f64);
    let with = |i: usize| {
        (w[i]
            + if i == arm {
                1e-3 * reward * importance
            } else {
                0.0
            })
        .exp()
    };
    (0..n)
        .map(|i| {
            let others: f64 = (0..n).filter(|&j| j != i).map(with).sum();
            ((1.0 - leak) * with(i) + leak / (n - 1) as f64 * others).ln()
        })
        .collect()
}

#[test]
fn a_pull_is_that_of_the_equations() {
    // Gains 0, 1, ..., 10: the 20 % and 80 % quantiles are 2 and 8.
    let gains: Vec<f64> = [3, 0, 7, 10, 1, 9, 4, 2, 8, 5, 6].map(f64::from).to_vec();
    let w = vec![0.0, -0.7, -2.5];
    for (gain, reward) in [
        (-4.0, -1.0),
        (2.0, -1.0),
        (5.0, 0.0),
        (6.5, 0.5),
        (8.0, 1.0),
        (40.0, 1.0),
    ] {
        for arm in 0..3 {
            let mut bandit = Bandit::from_parts(w.clone(), gains.clone(), 11);
            let importance = 1.0 / bandit.policy()[arm];
            bandit.observe(arm, gain, 7);
            let (got, kept, pulls) = bandit.parts();
            assert_eq!((kept.last(), pulls), (Some(&gain), 12));
            // Weights are known up to a factor.
            let distance = |want: Vec<f64>| {
                (0..3)
                    .map(|i| ((got[i] - got[0]) - (want[i] - want[0])).abs())
                    .fold(0.0, f64::max)
            };
            assert!(distance(by_hand(&w, arm, reward, importance, 13)) < 1e-12);
            // The check can fail: rewards that are not divided by their probability, and another leak.
            if reward != 0.0 {
                assert!(distance(by_hand(&w, arm, reward, 1.0, 13)) > 1e-5);
            }
            assert!(distance(by_hand(&w, arm, reward, importance, 12)) > 1e-5);
        }
    }
}

#[test]
fn its_state_is_all_there_is() {
    let mut straight = Bandit::new(5);
    play(&mut straight, &MEANS, 1500, |_, gain| gain);
    let (w, gains, pulls) = straight.parts();
    assert_eq!((gains.len(), pulls), (1000, 1500), "a reservoir of 1000");
    let mut resumed = Bandit::from_parts(w.to_vec(), gains.to_vec(), pulls);
    for bandit in [&mut straight, &mut resumed] {
        play(bandit, &MEANS, 300, |_, gain| gain);
    }
    assert_eq!(straight, resumed);
}

/// The reservoir keeps early and late gains alike.
#[test]
fn the_reservoir_is_a_uniform_sample() {
    let mut bandit = Bandit::new(2);
    for pull in 0..20_000 {
        bandit.observe(0, f64::from(pull), 9);
    }
    let (_, gains, _) = bandit.parts();
    let early = gains.iter().filter(|&&gain| gain < 10_000.0).count() as f64;
    // 1000 of them with probability 1/2: 6 standard deviations are 95.
    assert!((early - 500.0).abs() < 95.0, "{early}");
}

#[test]
fn a_single_arm_is_always_pulled() {
    let mut bandit = Bandit::new(1);
    for gain in [1.0, -3.0, 2.0] {
        assert_eq!(bandit.arm(0.999), 0);
        bandit.observe(0, gain, 1);
    }
    assert_eq!(bandit.policy(), [1.0]);
}

#[test]
fn a_curriculum_by_gain_trains_on_the_size_that_gains_most_per_step() {
    let task = TaskConfig {
        name: TaskName::RepeatCopy,
        lengths: [1, 3],
        repeats: [1, 2],
        ..TaskConfig::default()
    };
    let best = Size {
        length: 2,
        repeats: 1,
    };
    let share = |per_step: &dyn Fn(Size) -> f64| {
        let mut curriculum = Curriculum::new(CurriculumName::PredictionGain, &task);
        let mut hits = 0;
        for step in 0..6000 {
            let size = curriculum.size(&task, 3, step);
            hits += u32::from(step >= 4000 && size == best);
            let nats = per_step(size) * task.steps(size) as f64;
            curriculum.gained(&task, 3, size, nats);
        }
        f64::from(hits) / 2000.0
    };
    let known = share(&|size| f64::from(u8::from(size == best)));
    assert!(known > 0.6, "{known}");
    // The check can fail: the same gain per sequence is less per step the longer a sequence is, so that the shortest is best.
    let shortest = share(&|size| 1.0 / task.steps(size) as f64);
    assert!(shortest < 0.3, "{shortest}");
}
