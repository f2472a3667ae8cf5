//! How a run compares with the figures that its configuration promises.

use toml::Value;

use crate::config::{Expect, RunConfig};
use crate::data::Split;
use crate::summary::{Status, Summary};

/// How a run compares with one promise.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The figure is within its bounds.
    Met,
    /// It is not.
    Missed,
    /// The promise is about other runs than this one, with the condition.
    AboutOthers(String),
    /// The promise says nothing about this run, with the reason.
    NotComparable(String),
}

/// Compares the last figures of a run with a promise; gives the figure too, where there is one.
#[must_use]
pub fn judge(expect: &Expect, config: &RunConfig, summary: &Summary) -> (Verdict, Option<f64>) {
    let split = expect.split.unwrap_or(Split::Train).to_string();
    let value = summary
        .last
        .get(&split)
        .and_then(|figures| figures.get(&expect.metric))
        .map(|at| at.value);
    let verdict = match (obstacle(expect, config, summary), value) {
        (Some(obstacle), _) => obstacle,
        (None, None) => {
            Verdict::NotComparable(format!("it has no finite `{}` on {split}", expect.metric))
        }
        (None, Some(value)) => {
            let above = expect.at_most.is_some_and(|bound| value > bound);
            let below = expect.at_least.is_some_and(|bound| value < bound);
            if above || below {
                Verdict::Missed
            } else {
                Verdict::Met
            }
        }
    };
    (verdict, value)
}

/// Why the promise says nothing about this run.
fn obstacle(expect: &Expect, config: &RunConfig, summary: &Summary) -> Option<Verdict> {
    for (key, wanted) in &expect.when {
        let key = full_key(key);
        let actual = if key == "device" {
            Some(Value::from(summary.device.clone()))
        } else {
            look_up(config, key)
        };
        if actual.as_ref() != Some(wanted) {
            let actual = actual.map_or_else(|| "not set".to_owned(), |value| value.to_string());
            return Some(Verdict::AboutOthers(format!(
                "it holds for {key} = {wanted}, here it is {actual}"
            )));
        }
    }
    let not_comparable = |reason: String| Some(Verdict::NotComparable(reason));
    if config.run.smoke {
        return not_comparable("a smoke run".to_owned());
    }
    if let Some(file) = &config.run.weights {
        return not_comparable(format!("it started from {}", file.display()));
    }
    let overridden = config.run.overrides.iter().find(|change| {
        let key = change.split('=').next().unwrap_or_default();
        !expect.when.keys().any(|pinned| full_key(pinned) == key)
    });
    if let Some(change) = overridden {
        return not_comparable(format!("overridden: {change}"));
    }
    if summary.status != Status::Done {
        let (done, planned) = (summary.steps, summary.steps_planned);
        return not_comparable(format!("not finished: step {done} of {planned}"));
    }
    None
}

/// `estimator = "rloo"` stands for `estimator.name = "rloo"`.
fn full_key(key: &str) -> &str {
    match key {
        "estimator" => "estimator.name",
        "data" => "data.name",
        other => other,
    }
}

/// The value at a dotted key of the system's sections.
fn look_up(config: &RunConfig, key: &str) -> Option<Value> {
    let mut parts = key.split('.');
    let mut value = config.system.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;
    use crate::systems;

    fn run(value: f64) -> (RunConfig, Summary) {
        let entry = systems::find("toy").unwrap();
        let origin = Origin {
            system: "toy".to_owned(),
            ..Origin::default()
        };
        let config = RunConfig::resolve(entry, "", origin, &[]).unwrap();
        let mut summary = Summary::new(&config, "flex", String::new(), String::new());
        summary.status = Status::Done;
        summary.take(Split::Train, 10, false, [("loss", value)].into_iter());
        (config, summary)
    }

    fn expect() -> Expect {
        Expect {
            metric: "loss".to_owned(),
            at_most: Some(0.5),
            at_least: Some(0.25),
            ..Expect::default()
        }
    }

    #[test]
    fn bounds_are_closed_on_both_sides() {
        for (value, verdict) in [
            (0.25, Verdict::Met),
            (0.5, Verdict::Met),
            (0.51, Verdict::Missed),
            (0.24, Verdict::Missed),
        ] {
            let (config, summary) = run(value);
            assert_eq!(judge(&expect(), &config, &summary), (verdict, Some(value)));
        }
    }

    #[test]
    fn runs_under_other_conditions_are_not_compared() {
        let excused = |config: &RunConfig, summary: &Summary, expect: &Expect| {
            matches!(
                judge(expect, config, summary).0,
                Verdict::AboutOthers(_) | Verdict::NotComparable(_)
            )
        };
        let (mut config, mut summary) = run(9.0);
        let mut on_device = expect();
        on_device.when.insert("device".to_owned(), "wgpu".into());
        assert!(excused(&config, &summary, &on_device));
        on_device.when.insert("device".to_owned(), "flex".into());
        assert!(!excused(&config, &summary, &on_device));

        config.run.overrides = vec!["optimizer.lr=0.1".to_owned()];
        assert!(excused(&config, &summary, &expect()));
        // A condition that names the key makes the override part of the promise.
        let mut pinned = expect();
        pinned.when.insert("optimizer.lr".to_owned(), 0.001.into());
        assert!(!excused(&config, &summary, &pinned));
        pinned.when.insert("estimator".to_owned(), "rebar".into());
        assert!(excused(&config, &summary, &pinned));
        pinned.when.insert("estimator".to_owned(), "rloo".into());
        assert!(!excused(&config, &summary, &pinned));

        config.run.overrides.clear();
        config.run.smoke = true;
        assert!(excused(&config, &summary, &expect()));
        config.run.smoke = false;
        config.run.weights = Some("model.safetensors".into());
        assert!(excused(&config, &summary, &expect()));
        config.run.weights = None;
        summary.status = Status::Interrupted;
        assert!(excused(&config, &summary, &expect()));
        summary.last.clear();
        summary.status = Status::Done;
        assert!(excused(&config, &summary, &expect()));
    }
}
