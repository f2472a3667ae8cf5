//! A neural Turing machine with two slots: at each of two steps it writes to one slot and reads from one, by hard
//! addresses.

use unbiased_estimators::{Run, Site};

use super::{Model, Theta, affine, sum};

pub struct Machine;

impl Model for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.2, -0.5, 0.7, 0.1, // memory
            0.3, -0.2, // controller
            0.1, -0.3, 0.9, 0.4, -0.6, 0.8, // write address
            0.2, 0.1, 1.2, -0.5, 0.3, -1.1, // written content
            -0.2, 0.4, 0.5, -0.8, 1.0, 0.2, // read address
            0.1, -0.1, 0.6, 0.3, -0.4, 0.5, // next controller
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let rows = theta.rows();
        let target = theta.constant(&[0.8, -0.6]);
        let mut memory = theta.take(4).reshape([rows, 2, 2]);
        let mut state = theta.take(2);
        let [write, content, read, next] = [(); 4].map(|()| (theta.take(2), theta.take(4)));
        let layer =
            |(bias, weight): &(_, _), x| affine(Clone::clone(bias), Clone::clone(weight), x);

        for _ in 0..2 {
            let site = Site::new(layer(&write, state.clone())).context(state.clone());
            let address = run
                .categorical("write", 2, site)
                .value
                .reshape([rows, 2, 1]);
            let written = layer(&content, state.clone()).tanh().reshape([rows, 1, 2]);
            memory = memory * (address.clone().neg() + 1.0) + address * written;

            let site = Site::new(layer(&read, state.clone())).context(state.clone());
            let seen = run.categorical("read", 2, site).select(memory.clone());
            state = (layer(&next, state) + seen).tanh();
            let error = sum((state.clone() - target.clone()).square());
            run.cost("error", error, run.mark());
        }
    }
}
