//! `unbiased estimators` through the real binary: its figures, its JSON, and what it says of a wrong problem.

mod support;

use serde_json::Value;
use support::Bench;

/// Two bits, f = x + 2 x y, and one choice among three that costs nothing but when it is the last.
const PROBLEM: &str = "
[[site]]
kind = \"bernoulli\"
logits = [0.0, 1.0]

[[site]]
kind = \"categorical\"
logits = [[0.0, 0.0, 0.0]]
parents = [0]
weights = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]

[[term]]
coefficient = 1.0
powers = [1, 0, 0, 0, 0]

[[term]]
coefficient = 2
powers = [1, 1, 0, 0, 0]

[[term]]
coefficient = 3.0
powers = [0, 0, 0, 0, 2]
";

/// What is defined for the problem, in the order of the documentation.
const MEASURED: [&str; 22] = [
    "reinforce",
    "moving-average",
    "optimal-baseline",
    "nvil",
    "a2c",
    "rloo",
    "double-cv",
    "muprop",
    "simple-muprop",
    "measure-valued",
    "straight-through",
    "st-gumbel",
    "gumbel-rao",
    "reinmax",
    "concrete",
    "rebar",
    "rebar-two-branch",
    "relax",
    "relax-two-branch",
    "rebar-relax",
    "rebar-relax-two-branch",
    "d-lax",
];

/// What is not.
const REFUSED: [&str; 13] = [
    "disarm",
    "arm",
    "arms",
    "disarm-tree",
    "unordered-set",
    "sum-and-sample",
    "vimco",
    "vimco-arithmetic",
    "rws",
    "lax",
    "pathwise",
    "stl",
    "dreg",
];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().expect("a list").iter();
    numbers.map(|x| x.as_f64().expect("a number")).collect()
}

#[test]
fn json_holds_the_exact_gradient_and_every_estimator_around_it() {
    let bench = Bench::new();
    bench.write("p.toml", PROBLEM);
    let outcome = bench.run("estimators p.toml --draws 40000 --tune-steps 20 --json");
    outcome.succeeds();
    let json: Value = serde_json::from_str(&outcome.stdout).expect("JSON");

    // p = 1/2, q = sigma(1): E[x + 2 x y] = 1/2 + q. The last class has probability 1/3 for x = 0, 1/(2 + e) for x = 1.
    let (q, c0, c1) = (sigmoid(1.0), 1.0 / 3.0, 1.0 / (2.0 + 1_f64.exp()));
    let value = 0.5 + q + 1.5 * (c0 + c1);
    assert!((json["exact"]["value"].as_f64().expect("a number") - value).abs() < 1e-9);
    let gradient = numbers(&json["exact"]["gradient"]);
    let by_hand = [
        0.25 * (1.0 + 2.0 * q + 3.0 * (c1 - c0)),
        q * (1.0 - q),
        // E[3 p_last (1[class = last] - p_class)] of the softmax given x.
        -1.5 * (c0 * c0 + c1 * c1),
        -1.5 * (c0 * c0 + c1 * c1 * 1_f64.exp()),
        1.5 * (c0 * (1.0 - c0) + c1 * (1.0 - c1)),
    ];
    for (got, expected) in gradient.iter().zip(by_hand) {
        assert!(
            (got - expected).abs() < 1e-9,
            "{gradient:?} but {by_hand:?}"
        );
    }

    let names = |list: &str| -> Vec<String> {
        let entries = json[list].as_array().expect("a list").iter();
        entries
            .map(|entry| entry["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names("estimators"), MEASURED);
    assert_eq!(names("refused"), REFUSED);
    for entry in json["estimators"].as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        let (mean, error) = (numbers(&entry["mean"]), numbers(&entry["std_error"]));
        let variance = numbers(&entry["variance"]);
        assert_eq!((mean.len(), error.len(), variance.len()), (5, 5, 5));
        let biased = entry["biased"].as_bool().expect("a boolean");
        let relaxed = [
            "straight-through",
            "st-gumbel",
            "gumbel-rao",
            "reinmax",
            "concrete",
        ];
        assert_eq!(biased, relaxed.contains(&name));
        let pairs = ["rloo", "double-cv"].contains(&name);
        assert_eq!(entry["k"], if pairs { 2 } else { 1 });
        assert!(entry["seconds"].as_f64().expect("seconds") > 0.0);
        let evaluations = match name {
            "rloo" => 2.0,
            "double-cv" => 6.0,
            "muprop" | "simple-muprop" | "rebar" | "rebar-relax" => 3.0,
            "rebar-two-branch" | "rebar-relax-two-branch" | "measure-valued" => 5.0,
            _ => 1.0,
        };
        assert_eq!(entry["evaluations"], evaluations, "{name}");
        let mut worst = 0.0_f64;
        for j in 0..5 {
            assert!((error[j] * error[j] * 40_000.0 - variance[j]).abs() <= 1e-9 * variance[j]);
            worst = worst.max((mean[j] - gradient[j]).abs() / error[j].max(1e-6));
        }
        // The cost is quadratic in each choice, where `reinmax` has no bias.
        // 85 coordinates of estimators without bias here at a total rate of 2.6e-7: |z| < 5.93, a bias of 9 errors is seen.
        assert_eq!(
            worst > 5.93,
            biased && name != "reinmax",
            "{name} is {worst} standard errors off"
        );
    }
}

#[test]
fn people_get_a_table_with_the_reasons_of_refusals() {
    let bench = Bench::new();
    bench.write("p.toml", PROBLEM);
    let outcome =
        bench.run("estimators p.toml --estimators rloo,disarm,rebar --draws 1000 --tune-steps 2");
    outcome.succeeds();
    for text in [
        "exact value",
        "site1[0,2]",
        "rloo",
        "rebar",
        "not defined here",
        "no opposite sample",
    ] {
        assert!(
            outcome.stdout.contains(text),
            "{text} is missing in\n{}",
            outcome.stdout
        );
    }
    assert!(!outcome.stdout.contains("vimco"));
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let bench = Bench::new();
    bench.write("p.toml", PROBLEM);
    let run = |seed: u64| {
        let line = format!("estimators p.toml --draws 500 --tune-steps 3 --seed {seed} --json");
        let outcome = bench.run(&line);
        outcome.succeeds();
        let json: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        let entries = json["estimators"].as_array().expect("a list").iter();
        entries
            .map(|entry| numbers(&entry["mean"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_wrong_problem_is_exit_2_with_file_key_and_what_is_allowed() {
    let bench = Bench::new();
    let fails = |problem: &str, said: &[&str]| {
        bench.write("wrong.toml", problem);
        bench
            .run("estimators wrong.toml --draws 10")
            .fails(2, &["wrong.toml"])
            .fails(2, said);
    };
    fails("[[site", &["not TOML", "line 1"]);
    fails("", &["`site`: expected at least one [[site]], got none"]);
    fails(
        "[[sites]]\n",
        &["unknown key `sites`", "did you mean `site`"],
    );
    fails(
        &PROBLEM.replace("bernoulli", "bernouli"),
        &["`site.0.kind`", "did you mean \"bernoulli\""],
    );
    fails(
        &PROBLEM.replacen("logits", "logit", 1),
        &["`site.0.logit`", "did you mean `logits`"],
    );
    fails(
        &PROBLEM.replace("[0.0, 1.0]", "[0.0, \"1\"]"),
        &["`site.0.logits.1`: expected a number", "string \"1\""],
    );
    fails(
        &PROBLEM.replace("[0.0, 1.0]", "[0.0, nan]"),
        &["`site.0.logits.1`: expected a finite number", "NaN"],
    );
    fails(
        &PROBLEM.replace("parents = [0]", "parents = [1]"),
        &["`site.1.parents.0`: expected an earlier site, 0 to 0, got 1"],
    );
    fails(
        &PROBLEM.replace("[1, 1, 0, 0, 0]", "[1, 1, 0, 0]"),
        &["`term.1.powers`: expected 5 powers", "got 4"],
    );
    fails(
        &PROBLEM.replace("[1, 1, 0, 0, 0]", "[1, -1, 0, 0, 0]"),
        &["`term.1.powers.1`: expected a whole number, zero or more"],
    );
    fails(
        &(PROBLEM.to_owned() + "[table]\nvalues = [1]\n"),
        &["`table.values`: expected 12 values, one per joint state, got 1"],
    );

    bench
        .run("estimators absent.toml")
        .fails(2, &["cannot read absent.toml"]);
    bench.write("p.toml", PROBLEM);
    bench
        .run("estimators p.toml --estimators rebarr")
        .fails(2, &["unknown estimator `rebarr`", "rebar-two-branch"]);
    bench
        .run("estimators p.toml --estimators disarm")
        .fails(2, &["disarm", "no opposite sample", "rloo"]);
    bench
        .run("estimators p.toml --draws 1")
        .fails(2, &["--draws", "at least 2"]);
}
