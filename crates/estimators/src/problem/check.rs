//! Turns a problem file into a problem, or says which key is wrong.

use super::{
    Logits, ObjectiveFile, ObjectiveKind, Problem, ProblemFile, ProblemSite, SiteFile, SiteKind,
    TermFile,
};
use crate::{error::EstimatorError, estimator::Objective, exact::MOST_STATES};

/// Highest power in a term.
const MOST_POWER: u32 = 64;

fn wrong(
    key: impl Into<String>,
    expected: impl Into<String>,
    got: impl Into<String>,
) -> EstimatorError {
    EstimatorError::Problem {
        key: key.into(),
        expected: expected.into(),
        got: got.into(),
    }
}

fn finite(key: impl Fn() -> String, x: f64) -> Result<f64, EstimatorError> {
    if (x as f32).is_finite() {
        return Ok(x);
    }
    Err(wrong(
        key(),
        "a finite number that fits into 32 bits",
        x.to_string(),
    ))
}

/// `logits` or `prior` of a site, flat, and the classes of its choices.
fn flatten(
    key: &str,
    kind: SiteKind,
    entries: &[Logits],
) -> Result<(Vec<f64>, Option<usize>), EstimatorError> {
    let mut flat = Vec::new();
    let mut classes = None;
    for (i, entry) in entries.iter().enumerate() {
        match (kind, entry) {
            (SiteKind::Bernoulli, Logits::Bit(logit)) => {
                flat.push(finite(|| format!("{key}.{i}"), *logit)?);
            }
            (SiteKind::Categorical, Logits::Classes(row)) => {
                let n = *classes.get_or_insert(row.len());
                if n < 2 {
                    return Err(wrong(
                        format!("{key}.{i}"),
                        "at least 2 classes",
                        n.to_string(),
                    ));
                }
                if row.len() != n {
                    return Err(wrong(
                        format!("{key}.{i}"),
                        format!(
                            "{n} classes like the first choice (choices among other numbers of classes make a site of their own)"
                        ),
                        row.len().to_string(),
                    ));
                }
                for (j, logit) in row.iter().enumerate() {
                    flat.push(finite(|| format!("{key}.{i}.{j}"), *logit)?);
                }
            }
            (SiteKind::Bernoulli, Logits::Classes(_)) => {
                return Err(wrong(
                    format!("{key}.{i}"),
                    "a number, since the kind is \"bernoulli\" (\"categorical\" takes lists)",
                    "a list",
                ));
            }
            (SiteKind::Categorical, Logits::Bit(logit)) => {
                return Err(wrong(
                    format!("{key}.{i}"),
                    "a list of numbers, one per class, since the kind is \"categorical\"",
                    logit.to_string(),
                ));
            }
        }
    }
    if flat.is_empty() {
        return Err(wrong(key, "at least one entry", "an empty list"));
    }
    Ok((flat, classes))
}

/// Checks site `index` after the earlier ones.
fn check_site(
    index: usize,
    file: SiteFile,
    earlier: &[ProblemSite],
) -> Result<ProblemSite, EstimatorError> {
    let key = format!("site.{index}");
    let name = file.name.unwrap_or_else(|| format!("site{index}"));
    if name.is_empty() || earlier.iter().any(|site| site.name == name) {
        return Err(wrong(
            format!("{key}.name"),
            "a name that no other site has",
            format!("`{name}`"),
        ));
    }
    let (logits, classes) = flatten(&format!("{key}.logits"), file.kind, &file.logits)?;
    let prior = match &file.prior {
        None => None,
        Some(prior) => {
            let prior_key = format!("{key}.prior");
            let (prior, prior_classes) = flatten(&prior_key, file.kind, prior)?;
            if (prior.len(), prior_classes) != (logits.len(), classes) {
                return Err(wrong(
                    prior_key,
                    format!("the shape of `logits` ({} numbers)", logits.len()),
                    format!("{} numbers", prior.len()),
                ));
            }
            Some(prior)
        }
    };
    let mut inputs = 0;
    for (i, &parent) in file.parents.iter().enumerate() {
        let parent_key = format!("{key}.parents.{i}");
        if parent >= index {
            let allowed = match index {
                0 => "no parents, since this is the first site".to_owned(),
                _ => format!("an earlier site, 0 to {}", index - 1),
            };
            return Err(wrong(parent_key, allowed, parent.to_string()));
        }
        if file.parents[..i].contains(&parent) {
            return Err(wrong(
                parent_key,
                "every parent once",
                format!("{parent} again"),
            ));
        }
        inputs += earlier[parent].width();
    }
    let rows = if inputs == 0 { 0 } else { logits.len() };
    if file.weights.len() != rows {
        let expected = match rows {
            0 => "no rows, since the site has no parents".to_owned(),
            _ => format!("{rows} rows, one per logit of the site"),
        };
        return Err(wrong(
            format!("{key}.weights"),
            expected,
            file.weights.len().to_string(),
        ));
    }
    let mut weights = vec![0.0; inputs * rows];
    for (i, row) in file.weights.iter().enumerate() {
        if row.len() != inputs {
            return Err(wrong(
                format!("{key}.weights.{i}"),
                format!("{inputs} numbers, one per coordinate of the parents"),
                row.len().to_string(),
            ));
        }
        for (j, &weight) in row.iter().enumerate() {
            weights[j * rows + i] = finite(|| format!("{key}.weights.{i}.{j}"), weight)?;
        }
    }
    Ok(ProblemSite {
        name,
        classes,
        logits,
        prior,
        parents: file.parents,
        weights,
    })
}

fn check_terms(terms: &[TermFile], coordinates: usize) -> Result<(), EstimatorError> {
    for (i, term) in terms.iter().enumerate() {
        finite(|| format!("term.{i}.coefficient"), term.coefficient)?;
        if term.powers.len() != coordinates {
            return Err(wrong(
                format!("term.{i}.powers"),
                format!("{coordinates} powers, one per logit of all sites"),
                term.powers.len().to_string(),
            ));
        }
        if let Some(j) = term.powers.iter().position(|&power| power > MOST_POWER) {
            return Err(wrong(
                format!("term.{i}.powers.{j}"),
                format!("a power up to {MOST_POWER}"),
                term.powers[j].to_string(),
            ));
        }
    }
    Ok(())
}

fn check_objective(
    file: ObjectiveFile,
    sites: &[ProblemSite],
    states: usize,
) -> Result<Objective, EstimatorError> {
    match (file.kind, file.k) {
        (ObjectiveKind::Expected, None) => Ok(Objective::default()),
        (ObjectiveKind::Expected, Some(k)) => Err(wrong(
            "objective.k",
            "no samples, since the kind is \"expected\"",
            k.to_string(),
        )),
        (ObjectiveKind::LogMeanWeight, None) => Err(wrong(
            "objective.k",
            "a number of samples, at least 1",
            "nothing",
        )),
        (ObjectiveKind::LogMeanWeight, Some(k)) => {
            if let Some(i) = sites.iter().position(|site| site.prior.is_none()) {
                return Err(wrong(
                    format!("site.{i}.prior"),
                    "a prior, since the objective is \"log_mean_weight\"",
                    "nothing",
                ));
            }
            let tuples = u32::try_from(k).ok().and_then(|k| states.checked_pow(k));
            if k == 0 || tuples.is_none_or(|tuples| tuples > MOST_STATES) {
                return Err(wrong(
                    "objective.k",
                    format!(
                        "at least 1 sample, and at most {MOST_STATES} tuples of the {states} states for the exact gradient"
                    ),
                    k.to_string(),
                ));
            }
            Ok(Objective::LogMeanWeight { k })
        }
    }
}

impl TryFrom<ProblemFile> for Problem {
    type Error = EstimatorError;

    fn try_from(file: ProblemFile) -> Result<Self, EstimatorError> {
        if file.site.is_empty() {
            return Err(wrong("site", "at least one [[site]]", "none"));
        }
        let mut sites = Vec::with_capacity(file.site.len());
        for (index, site) in file.site.into_iter().enumerate() {
            let site = check_site(index, site, &sites)?;
            sites.push(site);
        }
        let mut problem = Self {
            sites,
            terms: file.term,
            table: file.table.map(|table| table.values),
            objective: Objective::default(),
        };
        let states = problem.states().filter(|&states| states <= MOST_STATES).ok_or_else(|| {
            wrong(
                "site",
                format!("at most {MOST_STATES} joint states, so that the exact gradient can be enumerated"),
                problem
                    .states()
                    .map_or_else(|| "many more".to_owned(), |states| states.to_string()),
            )
        })?;
        problem.objective = check_objective(file.objective, &problem.sites, states)?;
        check_terms(&problem.terms, problem.coordinates().len())?;
        match &problem.table {
            None if problem.terms.is_empty() => {
                return Err(wrong(
                    "term",
                    "a cost: at least one [[term]], or a [table]",
                    "none",
                ));
            }
            Some(values) if values.len() != states => {
                return Err(wrong(
                    "table.values",
                    format!("{states} values, one per joint state"),
                    values.len().to_string(),
                ));
            }
            Some(values) => {
                for (i, &value) in values.iter().enumerate() {
                    finite(|| format!("table.values.{i}"), value)?;
                }
            }
            None => {}
        }
        Ok(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Problem, EstimatorError> {
        toml::from_str::<ProblemFile>(text)
            .expect("well-formed")
            .try_into()
    }

    const BITS: &str = "[[site]]\nkind = \"bernoulli\"\nlogits = [0.0, 1]\n";
    const CLASSES: &str = "[[site]]\nkind = \"categorical\"\nlogits = [[0, 1, 2]]\n";
    const TERM: &str = "[[term]]\ncoefficient = 1\npowers = [1, 0]\n";

    fn all_refused<const N: usize>(cases: [(String, &str); N]) {
        for (text, message) in cases {
            let error = read(&text).expect_err(&text).to_string();
            assert!(
                error.starts_with(message),
                "{error}\n  does not start with\n{message}"
            );
        }
    }

    #[test]
    fn a_mistake_in_the_logits_names_its_key() {
        let long = format!("logits = [{}]", vec!["0.0"; 17].join(", "));
        all_refused([
            (
                String::new(),
                "`site`: expected at least one [[site]], got none",
            ),
            (
                BITS.replace("0.0", "nan") + TERM,
                "`site.0.logits.0`: expected a finite number that fits into 32 bits, got NaN",
            ),
            (
                BITS.replace("0.0", "1e40") + TERM,
                "`site.0.logits.0`: expected a finite number",
            ),
            (
                BITS.replace("0.0, 1", "") + TERM,
                "`site.0.logits`: expected at least one entry",
            ),
            (
                BITS.replace("0.0", "[0.0]") + TERM,
                "`site.0.logits.0`: expected a number",
            ),
            (
                CLASSES.replace("[0, 1, 2]", "0.5") + TERM,
                "`site.0.logits.0`: expected a list of numbers, one per class",
            ),
            (
                CLASSES.replace("[0, 1, 2]", "[0]") + TERM,
                "`site.0.logits.0`: expected at least 2",
            ),
            (
                CLASSES.replace("[0, 1, 2]", "[0, 1, 2], [0, 1]") + TERM,
                "`site.0.logits.1`: expected 3 classes",
            ),
            (
                BITS.replace("logits = [0.0, 1]", &long) + TERM,
                "`site`: expected at most 65536 joint states, so that the exact gradient can be enumerated, got 131072",
            ),
        ]);
    }

    #[test]
    fn a_mistake_in_the_cost_names_its_key() {
        all_refused([
            (BITS.into(), "`term`: expected a cost"),
            (
                BITS.to_owned() + &TERM.replace(", 0", ""),
                "`term.0.powers`: expected 2 powers",
            ),
            (
                BITS.to_owned() + &TERM.replace(", 0", ", 65"),
                "`term.0.powers.1`: expected a power",
            ),
            (
                BITS.to_owned() + &TERM.replace("= 1", "= inf"),
                "`term.0.coefficient`: expected a fin",
            ),
            (
                BITS.to_owned() + "[table]\nvalues = [1, 2, 3]",
                "`table.values`: expected 4 values, one per joint state, got 3",
            ),
            (
                BITS.to_owned() + "[table]\nvalues = [1, 2, 3, -inf]",
                "`table.values.3`: expected a finite number",
            ),
        ]);
    }

    #[test]
    fn a_mistake_in_layers_or_objective_names_its_key() {
        all_refused([
            (
                BITS.to_owned() + "parents = [0]\n" + TERM,
                "`site.0.parents.0`: expected no parents, since this is the first site, got 0",
            ),
            (
                BITS.to_owned() + BITS + "parents = [1]\n" + TERM,
                "`site.1.parents.0`: expected an earlier site, 0 to 0, got 1",
            ),
            (
                BITS.to_owned() + BITS + "parents = [0, 0]\n" + TERM,
                "`site.1.parents.1`: expected every parent once, got 0 again",
            ),
            (
                BITS.to_owned() + BITS + "parents = [0]\n" + TERM,
                "`site.1.weights`: expected 2 rows, one per logit of the site, got 0",
            ),
            (
                BITS.to_owned() + BITS + "parents = [0]\nweights = [[1, 2], [1]]\n" + TERM,
                "`site.1.weights.1`: expected 2 numbers, one per coordinate of the parents, got 1",
            ),
            (
                BITS.to_owned() + "weights = [[1]]\n" + TERM,
                "`site.0.weights`: expected no rows, since the site has no parents, got 1",
            ),
            (
                BITS.to_owned() + "name = \"x\"\n" + BITS + "name = \"x\"\n" + TERM,
                "`site.1.name`: expected a name that no other site has, got `x`",
            ),
            (
                BITS.to_owned() + "prior = [0.0]\n" + TERM,
                "`site.0.prior`: expected the shape of `logits` (2 numbers), got 1 numbers",
            ),
            (
                BITS.to_owned() + TERM + "[objective]\nkind = \"log_mean_weight\"\nk = 2",
                "`site.0.prior`: expected a prior",
            ),
            (
                BITS.to_owned() + TERM + "[objective]\nkind = \"log_mean_weight\"",
                "`objective.k`: expected a number of samples, at least 1, got nothing",
            ),
            (
                BITS.to_owned()
                    + "prior = [0, 0]\n"
                    + TERM
                    + "[objective]\nkind = \"log_mean_weight\"\nk = 9",
                "`objective.k`: expected at least 1 sample, and at most 65536 tuples",
            ),
            (
                BITS.to_owned() + TERM + "[objective]\nk = 9",
                "`objective.k`: expected no samples",
            ),
        ]);
    }

    #[test]
    fn negative_powers_and_unknown_keys_are_refused() {
        for text in [
            BITS.to_owned() + &TERM.replace(", 0", ", -1"),
            BITS.to_owned() + TERM + "[tabel]\nvalues = []",
            BITS.to_owned() + "kinds = 3\n" + TERM,
        ] {
            assert!(toml::from_str::<Problem>(&text).is_err(), "{text}");
        }
    }
}
