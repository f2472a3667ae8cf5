//! Policies through the real binary: training, exact resume, refusals, pictures.

mod support;

use support::Bench;

/// A second of training in which states are carried from update to update, episodes end within rollouts, and every kind
/// of state is there.
fn line(kind: &str, out: &str) -> String {
    let rest = match kind {
        "a2c" => {
            "policy/cartpole --estimator a2c --set training.rows=3 --set training.steps=20 --set \
             training.gradient_variance=true --set training.probe_every=20 --set training.probe_episodes=3"
        }
        "episodes" => "policy/cartpole --estimator nvil --set training.rows=2",
        "pendulum" => {
            "policy/pendulum --estimator a2c --set model.cap=50 --set training.bootstrap=true"
        }
        "acrobot" => "policy/acrobot",
        "ppo" => "policy/cartpole_ppo",
        other => panic!("no line for {other}"),
    };
    format!(
        "train {rest} --out {out} --seed 5 --quiet --set schedule.steps=50 --set schedule.log_every=7 --set \
         schedule.checkpoint_every=25 --set evaluation.episodes=5"
    )
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let bench = Bench::new();
    for kind in ["a2c", "episodes", "pendulum", "acrobot", "ppo"] {
        let (straight, parts) = (format!("{kind}-straight"), format!("{kind}-parts"));
        bench.run(&line(kind, &straight)).succeeds();
        bench
            .run(&format!("{} --until 31", line(kind, &parts)))
            .succeeds();
        bench
            .run(&format!("train --resume {parts} --quiet"))
            .succeeds();
        bench.assert_same_end(&straight, &parts);
    }
    // The control: another seed ends elsewhere.
    let other = line("a2c", "other").replace("--seed 5", "--seed 6");
    bench.run(&other).succeeds();
    assert_ne!(bench.metrics("a2c-straight"), bench.metrics("other"));
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let bench = Bench::new();
    for (line, said) in [
        ("policy --estimator rloo", ["black box", "`a2c`"]),
        ("policy --estimator exact", ["black box", "`reinforce`"]),
        (
            "policy/pendulum --estimator pathwise",
            ["not differentiable", "`reinforce`"],
        ),
        (
            "policy --estimator nvil --set training.bootstrap=true",
            ["estimator.name", "`a2c`"],
        ),
        (
            "policy --estimator a2c --set training.steps=7",
            ["training.steps", "divisor of the time limit"],
        ),
        (
            "policy/cartpole_ppo --estimator nvil",
            ["estimator.name", "training.algorithm"],
        ),
        (
            "policy --set model.entropy=-1",
            ["model.entropy", "at least 0"],
        ),
    ] {
        bench.run(&format!("train {line}")).fails(2, &said);
    }
}

#[test]
fn it_learns_to_hold_the_pole_and_stops_when_it_can() {
    let bench = Bench::new();
    // A threshold far above the 20 steps of a policy that does nothing: reached in every one of our runs within 300.
    bench
        .run(
            "train policy --estimator a2c --quiet --out r --set schedule.steps=400 --set training.solved_at=60 \
             --set training.stop_when_solved=true",
        )
        .succeeds();
    let last = &bench.summary("r")["final"];
    let episodes = last["train"]["episodes_to_solve"]["value"]
        .as_f64()
        .unwrap();
    assert!((100.0..400.0).contains(&episodes), "{episodes}");
    assert_eq!(last["train"]["episodes"]["value"].as_f64(), Some(episodes));
    assert!(last["test"]["return_sampled"]["value"].as_f64().unwrap() > 40.0);
    assert!(bench.path("r/samples/00000400-episodes.png").exists());
}
