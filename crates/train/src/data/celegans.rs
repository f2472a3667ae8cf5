//! The connectome of *C. elegans*: where its 279 somatic neurons lie and which are connected.
//!
//! Source: Varshney, Chen, Paniagua, Hall & Chklovskii, "Structural properties of the *Caenorhabditis elegans* neuronal network", 2011, as
//! published by `WormAtlas`. `NeuronType.csv` has a neuron a row, its name and place first; `NeuronConnect.csv` two names and the kind of
//! their connection. Counted are chemical synapses from the side that sends (S, Sp; R and Rp are the same seen from the other side) and gap
//! junctions (EJ).

use super::error::DataError;
use super::locate;
use super::manifest::Manifest;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const NEURONS: usize = 279;

/// Neurons in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Celegans {
    /// Place along the body, 0 at the head and 1 at the tail.
    pub positions: Vec<f64>,
    /// Connected neurons, from and to.
    pub pairs: Vec<[usize; 2]>,
}

impl Celegans {
    /// Reads the files from the first folder that has them: `dir`, `$UNBIASED_DATA`, the user's cache folder.
    ///
    /// # Errors
    /// Files that are not to be found or not what they should be.
    pub fn load(dir: Option<&Path>) -> Result<Self, DataError> {
        Self::load_from(&locate::search_path(dir))
    }

    fn load_from(roots: &[PathBuf]) -> Result<Self, DataError> {
        let files = locate::find(Manifest::named("celegans")?, roots)?;
        let [types, connected] = &files[..] else {
            unreachable!("the set has two files");
        };
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| DataError::Read {
                path: path.clone(),
                source,
            })
        };
        let damaged = |path: &PathBuf, problem| DataError::Damaged {
            path: path.clone(),
            problem,
        };
        let text = read(types)?;
        let (names, positions) = neurons(&text).map_err(|problem| damaged(types, problem))?;
        let text = read(connected)?;
        let pairs = connections(&text, &names).map_err(|problem| damaged(connected, problem))?;
        Ok(Self { positions, pairs })
    }
}

/// Names, each with its number, and places.
fn neurons(text: &str) -> Result<(HashMap<&str, usize>, Vec<f64>), String> {
    let mut names = HashMap::new();
    let mut positions = Vec::new();
    for (line, row) in text.lines().enumerate().skip(1) {
        let mut fields = row.split(',');
        let (name, place) = (fields.next().unwrap_or_default(), fields.next());
        let place: f64 = place
            .and_then(|place| place.trim().parse().ok())
            .filter(|place| (0.0..=1.0).contains(place))
            .ok_or_else(|| {
                format!(
                    "line {} has no place in [0, 1] after the name `{name}`",
                    line + 1
                )
            })?;
        names.insert(name, positions.len());
        positions.push(place);
    }
    if names.len() != NEURONS || positions.len() != NEURONS {
        return Err(format!(
            "it names {} neurons in {} rows, expected {NEURONS}",
            names.len(),
            positions.len()
        ));
    }
    Ok((names, positions))
}

/// Which neurons are connected; junctions with muscles, and neurons of the pharynx, are left out.
fn connections(text: &str, names: &HashMap<&str, usize>) -> Result<Vec<[usize; 2]>, String> {
    let mut pairs = Vec::new();
    for (line, row) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let [from, to, kind, ..] = fields[..] else {
            return Err(format!("line {} has fewer than three fields", line + 1));
        };
        match kind {
            "S" | "Sp" | "EJ" => {
                let known = [names.get(from), names.get(to)];
                if let [Some(&from), Some(&to)] = known {
                    pairs.push([from, to]);
                }
            }
            "R" | "Rp" | "NMJ" => {}
            other => return Err(format!("line {} has the unknown kind `{other}`", line + 1)),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As many neurons as must be, in a folder of their own, and some connections.
    fn files(types: &str, connections: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("celegans");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("NeuronType.csv"), types).expect("written");
        fs::write(folder.join("NeuronConnect.csv"), connections).expect("written");
        root
    }

    fn types(neurons: usize) -> String {
        let row = |i: usize| format!("N{i:03},{:.2},H,S\n", i as f64 / 300.0);
        let rows: String = (0..neurons).map(row).collect();
        format!("Neuron,Soma Position,Soma Region,Span\n{rows}")
    }

    fn load(types: &str, connections: &str) -> Result<Celegans, DataError> {
        Celegans::load_from(&[files(types, connections).path().to_owned()])
    }

    #[test]
    fn synapses_that_send_and_junctions_are_counted() {
        let rows = "Neuron 1,Neuron 2,Type,Nbr,\nN001,N002,S,1,\nN002,N001,R,1,\nN003,N001,Sp,2,\nN004,N005,EJ,1,\nN004,NMJ,NMJ,3,\nN001,M1,S,1,\n";
        let set = load(&types(279), rows).expect("a connectome");
        assert_eq!(set.positions.len(), 279);
        assert_eq!(set.positions[30], 0.10);
        assert_eq!(set.pairs, [[1, 2], [3, 1], [4, 5]]);
    }

    #[test]
    fn damage_is_named() {
        let header = "Neuron 1,Neuron 2,Type,Nbr,\n";
        let problem = |types: &str, rows: &str| {
            let text = load(types, &format!("{header}{rows}")).expect_err("refused");
            text.to_string()
        };
        assert!(problem(&types(278), "").contains("expected 279"));
        assert!(problem(&types(279).replace("0.10", "far"), "").contains("no place"));
        assert!(problem(&types(279), "N001,N002,X,1,\n").contains("unknown kind `X`"));
        assert!(problem(&types(279), "N001\n").contains("fewer than three"));
    }

    #[test]
    fn what_is_missing_is_named_with_a_way_out() {
        let root = tempfile::tempdir().expect("a folder");
        let error = Celegans::load_from(&[root.path().to_owned()]).expect_err("refused");
        assert!(error.is_usage());
        let text = error.to_string();
        for part in [
            "`celegans`",
            "data fetch celegans",
            "--set data.name=surrogate",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    /// The statistics of the published files: 279 neurons, 68 different places, 2,287 connected pairs and 3 neurons connected with themselves.
    #[test]
    fn the_real_files_have_their_known_statistics() {
        let Some(root) = std::env::var_os("UNBIASED_DATA").map(PathBuf::from) else {
            eprintln!("skipped: UNBIASED_DATA is not set");
            return;
        };
        if !root.join("celegans").is_dir() {
            eprintln!("skipped: no celegans in UNBIASED_DATA");
            return;
        }
        let set = Celegans::load_from(&[root]).expect("the published files");
        let mut places: Vec<i64> = set
            .positions
            .iter()
            .map(|p| (p * 1e4).round() as i64)
            .collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 68);
        let mut pairs: Vec<[usize; 2]> = set
            .pairs
            .iter()
            .map(|&[a, b]| [a.min(b), a.max(b)])
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 2290);
        assert_eq!(pairs.iter().filter(|[a, b]| a == b).count(), 3);
    }
}
