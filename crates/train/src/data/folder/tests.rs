use super::*;
use crate::data::test_support::config;
use crate::data::{Binarization, DataConfig, ImageSet};
use png::{BitDepth, ColorType};
use std::fs;
use tempfile::TempDir;

/// A PNG file of `width` pixels a row; `data` are its packed rows.
fn write(path: &Path, width: u32, colour: ColorType, depth: BitDepth, data: &[u8]) {
    let line = colour.samples() * depth as usize * width as usize;
    let height = data.len() / line.div_ceil(8);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ColorType::Indexed {
        // Black, white, red; the last is half transparent.
        encoder.set_palette(vec![0, 0, 0, 255, 255, 255, 255, 0, 0]);
        encoder.set_trns(vec![255, 255, 128]);
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("pixels");
    writer.finish().expect("an end");
    fs::write(path, file).expect("written");
}

fn grey(path: &Path, side: u32, value: u8) {
    let data = vec![value; (side * side) as usize];
    write(path, side, ColorType::Grayscale, BitDepth::Eight, &data);
}

/// A folder of `n` grey pictures of 8 x 8 pixels, `k.png` with the value k.
fn pictures(n: u8) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for k in 0..n {
        grey(&dir.path().join(format!("{k}.png")), 8, k);
    }
    dir
}

fn refused(folder: &Path, side: usize) -> String {
    match read(folder, side) {
        Err(error @ DataError::Folder { .. }) => {
            assert!(error.is_usage());
            error.to_string()
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("nothing was wrong with {}", folder.display()),
    }
}

#[test]
fn every_kind_of_pixel_becomes_its_grey() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.png");
    // Two by two pixels each, upper left, upper right, lower left, lower right.
    let cases: [(ColorType, BitDepth, &[u8], [u8; 4]); 8] = [
        (
            ColorType::Grayscale,
            BitDepth::Eight,
            &[0, 7, 200, 255],
            [0, 7, 200, 255],
        ),
        (
            ColorType::Grayscale,
            BitDepth::One,
            &[0b0100_0000, 0b1000_0000],
            [0, 255, 255, 0],
        ),
        (
            ColorType::Grayscale,
            BitDepth::Four,
            &[0x0f, 0x80],
            [0, 255, 136, 0],
        ),
        (
            ColorType::Grayscale,
            BitDepth::Sixteen,
            &[0, 255, 7, 0, 200, 9, 255, 255],
            [0, 7, 200, 255],
        ),
        (
            ColorType::GrayscaleAlpha,
            BitDepth::Eight,
            &[255, 0, 255, 128, 100, 255, 10, 51],
            [0, 128, 100, 2],
        ),
        (
            ColorType::Rgb,
            BitDepth::Eight,
            &[255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255],
            [76, 150, 29, 255],
        ),
        (
            ColorType::Rgba,
            BitDepth::Eight,
            &[
                255, 0, 0, 255, 0, 255, 0, 0, 0, 0, 255, 128, 255, 255, 255, 255,
            ],
            [76, 0, 15, 255],
        ),
        (
            ColorType::Indexed,
            BitDepth::Two,
            &[0b0001_0000, 0b1000_0000],
            [0, 255, 38, 0],
        ),
    ];
    for (colour, depth, data, expected) in cases {
        write(&path, 2, colour, depth, data);
        let found = square(&path, 2).expect("a picture");
        assert_eq!(found, expected, "{colour:?} {depth:?}");
    }
}

#[test]
fn the_middle_is_kept_and_pixels_are_means_over_areas() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.png");
    // 5 wide, 3 high: the middle columns are 1 to 3.
    let data: Vec<u8> = (0..15).map(|i| 10 * i).collect();
    write(&path, 5, ColorType::Grayscale, BitDepth::Eight, &data);
    let middle = [10, 20, 30, 60, 70, 80, 110, 120, 130];
    assert_eq!(square(&path, 3).expect("a picture"), middle);
    // From 3 to 2: each new pixel covers a whole old one, halves of two and a quarter of the middle; 2.25 in all.
    let mean = |whole: f64, halves: [f64; 2]| {
        ((whole + f64::midpoint(halves[0], halves[1]) + 70.0 / 4.0) / 2.25).round() as u8
    };
    let expected = [
        mean(10.0, [20.0, 60.0]),
        mean(30.0, [20.0, 80.0]),
        mean(110.0, [60.0, 120.0]),
        mean(130.0, [80.0, 120.0]),
    ];
    assert_eq!(square(&path, 2).expect("a picture"), expected);
}

#[test]
fn splits_depend_on_names_alone_and_have_their_shares() {
    let dir = pictures(200);
    let values = |raw: &Raw| -> Vec<u8> { raw.grey.chunks(64).map(|image| image[0]).collect() };
    let before = read(dir.path(), 8).expect("a set");
    let [train, valid, test] = before.each_ref().map(values);
    assert_eq!(train.len() + valid.len() + test.len(), 200);
    // Binomial(200, 1/10), five standard deviations.
    for part in [&valid, &test] {
        assert!((1..41).contains(&part.len()), "{}", part.len());
    }
    // Twenty go; those that are left are where they were, in their order.
    for k in 0..20 {
        fs::remove_file(dir.path().join(format!("{k}.png"))).expect("gone");
    }
    let after = read(dir.path(), 8).expect("a set");
    for (before, after) in before.iter().zip(&after) {
        let left: Vec<u8> = values(before).into_iter().filter(|&k| k >= 20).collect();
        assert_eq!(values(after), left);
    }
}

#[test]
fn a_folder_is_a_set_like_any_other() {
    let dir = pictures(100);
    fs::write(dir.path().join(".hidden"), "anything").expect("written");
    let config = DataConfig {
        folder: Some(dir.path().into()),
        pixels: 4,
        ..config("folder", Binarization::Grey, None)
    };
    let set = ImageSet::load(&config, None).expect("a set");
    let (train, valid, test) = (set.train.len(), set.valid.len(), set.test.len());
    assert_eq!(
        set.describe(),
        format!(
            "folder {} at 4x4, grey (not a likelihood), {train}/{valid}/{test}",
            dir.path().display()
        )
    );
    assert_eq!(
        [set.train.height(), set.train.width(), set.train.size()],
        [4, 4, 16]
    );
    let pixels = set.pixels(Split::Valid, &[1], 0);
    assert_eq!(pixels, vec![f32::from(set.valid.grey(1)[0]) / 255.0; 16]);
    assert_eq!(set.train.mean().len(), 16);
    let limited = DataConfig {
        train_limit: Some(3),
        ..config
    };
    let limited = ImageSet::load(&limited, None).expect("a set");
    assert_eq!([limited.train.len(), limited.valid.len()], [3, valid]);
}

#[test]
fn what_is_missing_is_said() {
    let refuse = |config: &DataConfig| {
        let error = ImageSet::load(config, None).expect_err("a refusal");
        assert!(error.is_usage());
        error.to_string()
    };
    let folder = config("folder", Binarization::Grey, None);
    assert!(refuse(&folder).contains("--set data.folder=PATH"));
    let unused = DataConfig {
        folder: Some("pictures".into()),
        ..config("glyphs", Binarization::Grey, None)
    };
    assert!(refuse(&unused).contains("--set data.name=folder"));

    let dir = tempfile::tempdir().expect("a folder");
    assert!(refused(dir.path(), 8).contains("is empty; put PNG"));
    assert!(refused(&dir.path().join("absent"), 8).contains("no such folder"));
    fs::create_dir(dir.path().join("inner")).expect("a folder");
    assert!(refused(dir.path(), 8).contains("give one of them"));
    assert!(refused(dir.path(), 3).contains("data.pixels is 3, expected 4 to 1024"));
    let file = dir.path().join("1.png");
    grey(&file, 8, 1);
    assert!(refused(&file, 8).contains("is a file"));
    assert!(refused(dir.path(), 8).contains("its 1 pictures are"));
}

/// Whatever is wrong with one file, the message begins with its path and ends with a way out.
#[test]
fn a_bad_picture_is_named() {
    let dir = pictures(100);
    let bad = dir.path().join("bad.png");
    let expect = |content: &[u8], problem: &str| {
        fs::write(&bad, content).expect("written");
        let message = refused(dir.path(), 8);
        let start = format!("{}: {problem}", bad.display());
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("out of the folder"), "{message}");
    };
    let noise: Vec<u8> = (0..64 * 64_u32)
        .map(|i| ((i * i * 37) >> 5) as u8)
        .collect();
    write(&bad, 64, ColorType::Grayscale, BitDepth::Eight, &noise);
    let good = fs::read(&bad).expect("a file");

    expect(b"", "ends too early");
    expect(
        b"\xff\xd8\xff\xe0 a JPEG picture",
        "is no PNG picture: convert it",
    );
    expect(b"# notes, not a picture\n", "is no PNG picture");
    for length in [4, 8, 20, 33, good.len() / 2, good.len() - 13] {
        expect(&good[..length], "");
    }
    // Its width becomes 2^30, and the sum that guards the header is made right again.
    let huge = declaring(&good, 1 << 30, 64);
    expect(&huge, "declares 1073741824 x 64 pixels, more than 33554432");
    // Within the limit, but the pixels are not there.
    expect(&declaring(&good, 4096, 8192), "");
    expect(&declaring(&good, 0, 64), "");
    let mut flipped = good.clone();
    flipped[40] ^= 0x55;
    expect(&flipped, "cannot be read");

    write(&bad, 7, ColorType::Grayscale, BitDepth::Eight, &noise[..63]);
    let message = refused(dir.path(), 8);
    assert!(
        message.contains("is 7 x 9 pixels, too small for 8 x 8"),
        "{message}"
    );
    assert!(message.contains("--set data.pixels=7"), "{message}");
}

/// The file with another size in its header, whose sum is right.
fn declaring(file: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&file[12..29]);
    file[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    file
}

/// Each byte of a file changed, and each of its beginnings: an image or a message, never a panic.
#[test]
fn damage_of_any_kind_is_an_error_or_an_image() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.png");
    let data: Vec<u8> = (0..48).map(|i| 5 * i).collect();
    write(&path, 4, ColorType::Rgb, BitDepth::Eight, &data);
    let good = fs::read(&path).expect("a file");
    let try_it = |content: &[u8]| {
        fs::write(&path, content).expect("written");
        match square(&path, 4) {
            Ok(image) => assert_eq!(image.len(), 16),
            Err(error) => assert!(matches!(error, DataError::Folder { .. }), "{error:?}"),
        }
    };
    for i in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut other = good.clone();
            other[i] ^= change;
            try_it(&other);
        }
        try_it(&good[..i]);
    }
}
