//! Values and scores of expressions.

use unbiased_models::gvae::{Expression, score};

fn value(text: &str, x: f64) -> f64 {
    Expression::read(text).expect("an expression").value(x)
}

#[test]
fn values_follow_the_usual_precedence() {
    assert_eq!(value("1+2*3", 0.0), 7.0);
    assert_eq!(value("3/2*2", 0.0), 3.0);
    assert_eq!(value("1/2/2", 0.0), 0.25);
    assert_eq!(value("(1+x)*3+x", 2.0), 11.0);
    assert_eq!(
        value("sin( x * x ) + exp(1/2)", 3.0),
        9.0_f64.sin() + 0.5_f64.exp()
    );
    for wrong in ["", "x+", "+x", "(x", "x)", "xx", "sin", "x()", "4"] {
        assert_eq!(Expression::read(wrong), None, "{wrong}");
    }
}

/// The ranking of the published data, to the digits that are known of it, and three more scores.
#[test]
fn scores_are_the_known_ones() {
    for (text, known) in [
        ("1/3+x+sin(x*x)", 0.0),
        ("1/2+x+sin(x*x)", 0.0274),
        ("x/1+sin(3)+sin(x*x)", 0.0363),
        ("x*1+sin(1)+sin(x*x)", 0.2297),
        ("x/x+(x)+sin(x*x)", 0.3677),
        ("x*1+sin(3)+sin(3/1)", 0.397),
        ("x*1+sin(1)+sin(2*3)", 0.409),
        ("x+1+sin(3)+sin(3+1)", 0.389),
        ("x", 0.488),
        ("x+x", 3.556),
        ("no expression", 6.9088),
        ("exp(exp(x))/exp(exp(x))", 6.9088),
    ] {
        assert!(
            (score(text) - known).abs() < 6e-4,
            "{text}: {}",
            score(text)
        );
    }
}
