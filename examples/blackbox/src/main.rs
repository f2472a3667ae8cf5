//! A black box that is no tensor code at all, trained with RELAX: eight jobs shared out among three machines.

use burn::{
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor, TensorData},
};
use unbiased_estimators::{
    Abilities, EstimatorConfig, Noise, Objective, Program, Run, Schema, Site,
};

const HOURS: [u32; 8] = [7, 6, 5, 4, 4, 3, 3, 1];
const MACHINES: usize = 3;
const BATCH: usize = 32;

/// When the last machine is done. Any routine could stand here: a simulator, another program, a person.
fn makespan(machine_of: &[usize]) -> u32 {
    let mut busy = [0; MACHINES];
    for (hours, &machine) in HOURS.iter().zip(machine_of) {
        busy[machine] += hours;
    }
    busy.into_iter().max().unwrap_or(0)
}

/// Minimise the expected makespan over independent choices of a machine for every job.
struct Schedule {
    logits: Tensor<2>,
}

impl Program for Schedule {
    fn batch(&self) -> usize {
        BATCH
    }

    fn device(&self) -> Device {
        self.logits.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let width = HOURS.len() * MACHINES;
        let logits = run.rows(self.logits.clone().expand([BATCH, width]));
        let machines = run.categorical("machine", MACHINES, Site::new(logits));

        let one_hot: Vec<f32> = machines.hard.clone().into_data().iter().collect();
        let costs = one_hot.chunks(width).map(|row| {
            let place = |choice: &[f32]| choice.iter().position(|&x| x == 1.0).unwrap_or(0);
            let machine_of: Vec<usize> = row.chunks(MACHINES).map(place).collect();
            makespan(&machine_of) as f32
        });
        let costs: Vec<f32> = costs.collect();
        let rows = costs.len();
        let costs = Tensor::from_data(TensorData::new(costs, [rows]), &self.device());
        run.cost("makespan", costs, run.mark());
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            logits: self.logits.clone().inner(),
        })
    }

    /// It wants exact choices and has no gradient in them, but can be asked about as many as one likes.
    fn abilities(&self) -> Abilities {
        Abilities::TABLE
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex().autodiff();
    let mut program = Schedule {
        logits: Tensor::zeros([1, HOURS.len() * MACHINES], &device).require_grad(),
    };
    let schema = Schema::of(&program);
    let config = EstimatorConfig {
        hidden: 20,
        ..EstimatorConfig::named("relax")
    };
    let mut estimator = config.build(&schema, Objective::default(), &device)?;

    let mut tuner = AdamConfig::new().init();
    for step in 0..1000 {
        let estimate = estimator.estimate(&program, &Noise::new(0, step));
        let hours: f32 = estimate.cost.mean().into_scalar();
        if step % 200 == 0 {
            println!("{hours:.2} hours on average");
        }
        let mut gradients = estimate.surrogate.backward();
        let gradient = program
            .logits
            .grad_remove(&mut gradients)
            .ok_or("no gradient")?;
        program.logits = (program.logits.inner() - gradient * 0.5)
            .autodiff()
            .require_grad();
        // The control variate learns the box from its answers alone.
        if let Some(tuning) = estimate.tuning {
            let owned = estimator.owned();
            let gradients = GradientsParams::from_grads(tuning.backward(), &owned);
            estimator.set_owned(tuner.step(0.01, owned, gradients));
        }
    }

    let logits: Vec<f32> = program.logits.into_data().iter().collect();
    let most_probable = |choice: &[f32]| {
        (0..MACHINES)
            .max_by(|&a, &b| choice[a].total_cmp(&choice[b]))
            .unwrap_or(0)
    };
    let plan: Vec<usize> = logits.chunks(MACHINES).map(most_probable).collect();
    // 33 hours of work for three machines.
    println!("{} hours with {plan:?}, at best 11", makespan(&plan));
    if makespan(&plan) <= 12 {
        Ok(())
    } else {
        Err("it did not learn".into())
    }
}
