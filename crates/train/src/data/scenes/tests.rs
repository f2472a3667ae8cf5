use super::*;
use crate::data::test_support::{real_data, sha256};

fn config(canvas: usize, counts: &[usize]) -> SceneConfig {
    SceneConfig {
        canvas,
        counts: counts.to_vec(),
        train: 300,
        eval: 200,
        ..SceneConfig::default()
    }
}

fn load(config: &SceneConfig) -> SceneSet {
    SceneSet::load(config, None).expect("generated scenes")
}

fn hash(scenes: &Scenes) -> String {
    let mut bytes = scenes.pixels.clone();
    bytes.extend(&scenes.counts);
    sha256(&bytes)
}

/// The golden hashes of version 1: pixels, then counts.
#[test]
fn scenes_are_those_of_version_1() {
    let set = load(&config(32, &[0, 1, 2]));
    let hashes = [
        hash(&set.train),
        hash(&set.valid[0]),
        hash(&set.test[0]),
        hash(&set.test[1]),
    ];
    assert_eq!(
        hashes.each_ref().map(String::as_str),
        [
            "78530064bd5666977d136f3bfad9a8bc0fcade9a02c2766cf3561a04ceb44607",
            "1506cc302647b8a3e1ef360413cef755e3c5027a5f2164add8e97e37be188a96",
            "21c2199c92085b73c5c4e10d67632ab47fc829e4fafafe26deec88c4056b50ce",
            "0a667b23f65df6c8af32c9059b0fc5ee0db7b6f7a356eda281356aaa1dad7122",
        ],
    );
}

/// Every object is within its box, boxes are on the canvas and apart from each other, and nothing is outside them.
#[test]
fn objects_lie_in_their_boxes_and_boxes_lie_apart() {
    for (canvas, smallest, largest) in [(32, 12, 14), (50, 14, 18), (28, 14, 14)] {
        let set = load(&SceneConfig {
            smallest,
            largest,
            ..config(canvas, &[0, 1, 2, 3, 4])
        });
        for i in 0..set.train.len() {
            let boxes = set.train.boxes(i);
            assert_eq!(boxes.len(), set.train.count(i));
            assert!(is_disjoint(boxes), "scene {i}: {boxes:?}");
            let mut inside = vec![false; canvas * canvas];
            for b in boxes {
                assert!(b.left + b.width <= canvas && b.top + b.height <= canvas);
                assert!((smallest..=largest).contains(&b.width.max(b.height)));
                for row in b.top..b.top + b.height {
                    inside[row * canvas + b.left..][..b.width].fill(true);
                }
            }
            let pixels = set.train.show(&[i]);
            let ink = pixels.iter().zip(&inside);
            assert!(ink.clone().all(|(&p, &inside)| inside || p == 0.0));
            // A quarter of a box at most is bright in a thin digit, so a box without ink is a fault.
            assert_eq!(boxes.is_empty(), !ink.into_iter().any(|(&p, _)| p > 0.5));
        }
    }
}

/// The check of overlaps can fail.
#[test]
fn overlapping_boxes_are_seen() {
    let at = |left, top| Bounds {
        left,
        top,
        width: 4,
        height: 3,
    };
    assert!(is_disjoint(&[at(0, 0), at(4, 0), at(0, 3)]));
    assert!(!is_disjoint(&[at(0, 0), at(9, 9), at(3, 2)]));
}

/// Each of three counts in 300 scenes: standard deviation 8.2, five of them.
#[test]
fn counts_are_as_often_as_each_other() {
    let set = load(&config(32, &[0, 1, 3]));
    for count in [0, 1, 3] {
        let n = (0..300).filter(|&i| set.train.count(i) == count).count();
        assert!((59..=141).contains(&n), "{n} scenes of {count} objects");
    }
    assert!(set.extra(Split::Train).is_none());
    let extra = set.extra(Split::Test).expect("scenes of three objects");
    assert!((0..extra.len()).all(|i| extra.count(i) == 3));
}

#[test]
fn a_scene_does_not_depend_on_how_many_there_are() {
    let few = load(&config(32, &[1, 2]));
    let more = load(&SceneConfig {
        eval: 300,
        ..config(32, &[1, 2])
    });
    let all: Vec<usize> = (0..200).collect();
    assert_eq!(few.valid[0].show(&all), more.valid[0].show(&all));
    assert_ne!(few.valid[0].show(&all), few.test[0].show(&all));
}

/// Resizing keeps a picture of one grey as it is, and its shape.
#[test]
fn resizing_keeps_shapes_and_greys() {
    let mut grey = vec![0; 28 * 28];
    for row in 4..24 {
        grey[row * 28 + 10..row * 28 + 15].fill(200);
    }
    let object = Object::resized(&grey, 28, 12);
    assert_eq!((object.height, object.width), (12, 3));
    assert!(object.pixels.iter().all(|&p| p == 200));
    let larger = Object::resized(&grey, 28, 40);
    assert_eq!((larger.height, larger.width), (40, 10));
    // No ink at all: the whole picture.
    let blank = Object::resized(&vec![0; 28 * 28], 28, 14);
    assert_eq!((blank.height, blank.width), (14, 14));
}

#[test]
fn impossible_scenes_are_refused_by_name() {
    for (bad, key) in [
        (config(27, &[1]), "data.largest"),
        (config(32, &[]), "data.counts"),
        (config(32, &[5]), "data.counts"),
        (
            SceneConfig {
                smallest: 15,
                ..config(32, &[1])
            },
            "data.smallest",
        ),
        (
            SceneConfig {
                eval: 0,
                ..config(32, &[1])
            },
            "data.eval",
        ),
    ] {
        let message = bad.check().expect_err("impossible").to_string();
        assert!(message.contains(key), "{message}");
    }
}

/// Digits of MNIST, where they are at hand.
#[test]
fn scenes_of_mnist_are_those_of_version_1() {
    let Some(folder) = real_data("mnist") else {
        return;
    };
    let config = SceneConfig {
        name: "mnist".into(),
        smallest: 14,
        largest: 18,
        ..config(50, &[0, 1, 2])
    };
    let set = SceneSet::load(&config, Some(&folder)).expect("scenes");
    assert_eq!(
        hash(&set.test[0]),
        "09e518b06ebf97f21b695d66a40d775482c6dc8340aa3af9c3a71ef4161cf04a"
    );
}
