//! Controller, heads and memory: one step of the machine.

use std::ops::Range;

use burn::{
    module::{Initializer, Module, Param},
    nn::{Linear, LinearConfig, LstmState},
    tensor::{Device, Tensor, TensorData, activation::softmax},
};
use unbiased_estimators::Choice;
use unbiased_kernels::{lstm_cell, sigmoid, softplus, tanh};

use super::{
    addressing,
    config::{Address, Controller, InitialAddress, InitialMemory, NtmConfig, Order},
};
use crate::init::{Init, initialise_with, lecun_uniform};

/// Largest pre-activation of a head, on either side.
pub const CLAMP: f64 = 20.0;
/// Entries of the memory before the first step.
const EMPTY: f64 = 1e-6;

/// A neural Turing machine; see the [module](super).
#[derive(Module, Debug)]
pub struct Ntm {
    /// Layers of the controller. Of an LSTM `[d_in + h, 4 h]`, gates in the order input, forget, candidate, output;
    /// else `[d_in, h]`.
    pub layers: Vec<Linear>,
    /// What the heads are told, `[h, ..]`; the columns are those of `Emission`.
    pub heads: Linear,
    /// `[h + read_heads * width, outputs]`.
    pub output: Linear,
    /// The vectors read before the first step, `[1, read_heads * width]`.
    pub initial_reads: Param<Tensor<2>>,
    /// Logits of the weightings before the first step, `[heads, slots]`, where they are learned.
    pub initial_address: Option<Param<Tensor<2>>>,
    /// The memory before the first step, `[slots, width]`, where it is learned.
    pub initial_memory: Option<Param<Tensor<2>>>,
    inputs: usize,
    #[module(skip)]
    config: NtmConfig,
}

/// What goes from one step to the next.
#[derive(Debug, Clone)]
pub struct State {
    /// Per LSTM layer, `[rows, h]` each.
    lstm: Vec<LstmState<2>>,
    /// Output of the controller, `[rows, h]`.
    pub hidden: Tensor<2>,
    /// Weightings, `[rows, heads, slots]`: read heads, then write heads.
    pub address: Tensor<3>,
    /// `[rows, slots, width]`.
    pub memory: Tensor<3>,
    /// The vectors read, `[rows, read_heads * width]`.
    pub reads: Tensor<2>,
}

/// Asks for the hard address of a head: its number (read heads, then write heads), the logits, and the output of the
/// controller, which depends on nothing that is chosen in this step.
pub type Choose<'a> = dyn FnMut(usize, Tensor<2>, &Tensor<2>) -> Choice + 'a;

/// What the heads are told in a step. Where only moves are drawn, there is nothing to address by content.
struct Emission {
    /// Keys, strengths, gates and sharpenings of all heads.
    content: Option<[Tensor<3>; 4]>,
    /// Logits of the shifts, `[rows, heads, 3]`.
    shifts: Tensor<3>,
    /// `[rows, write_heads, width]`.
    erase: Tensor<3>,
    /// `[rows, write_heads, width]`.
    add: Tensor<3>,
}

impl Ntm {
    /// A machine from `inputs` to `outputs` numbers a step, its weights a function of `seed`: uniform on ±1/√(fan in),
    /// biases 0, those of forget gates 1.
    ///
    /// # Panics
    /// If the settings do not pass [`NtmConfig::check`].
    #[must_use]
    pub fn new(
        config: &NtmConfig,
        inputs: usize,
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        config.check().expect("checked settings");
        let linear = |d_in, d_out| {
            LinearConfig::new(d_in, d_out)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        let reads = config.read_heads * config.width;
        let mut layers = Vec::with_capacity(config.hidden.len());
        let mut below = inputs + reads;
        for &h in &config.hidden {
            layers.push(match config.controller {
                Controller::Lstm => linear(below + h, 4 * h),
                Controller::FeedForward => linear(below, h),
            });
            below = h;
        }
        let (heads, write) = (config.heads(), config.write_heads * config.width);
        let emitted = match config.address {
            Address::Shift => 2 * write + 3 * heads,
            Address::Soft | Address::Slot => 2 * write + heads * (config.width + 6),
        };
        let table = |rows, columns| Param::from_tensor(Tensor::zeros([rows, columns], device));
        let model = Self {
            layers,
            heads: linear(below, emitted),
            output: linear(below + reads, outputs),
            initial_reads: table(1, reads),
            initial_address: (config.initial_address == InitialAddress::Learned)
                .then(|| table(heads, config.slots)),
            initial_memory: (config.initial_memory == InitialMemory::Learned)
                .then(|| table(config.slots, config.width)),
            inputs,
            config: config.clone(),
        };
        let mut model = initialise_with(model, seed, |path, shape| match path {
            "initial_reads" => Init::Constant(0.0),
            "initial_address" | "initial_memory" => Init::Normal { std: 0.1 },
            _ => lecun_uniform(path, shape),
        });
        let bias = |values: Vec<f32>| {
            let n = values.len();
            Some(Param::from_tensor(Tensor::from_data(
                TensorData::new(values, [n]),
                device,
            )))
        };
        if config.controller == Controller::Lstm {
            for (layer, &h) in model.layers.iter_mut().zip(&config.hidden) {
                let forget = |i| f32::from(u8::from((h..2 * h).contains(&i)));
                layer.bias = bias((0..4 * h).map(forget).collect());
            }
        }
        if config.initial_advance != 0.0 {
            // The last of the three logits of every write head.
            let advance = |i: usize| i >= write + 3 * config.read_heads && (i - write) % 3 == 2;
            let moves = write..write + 3 * heads;
            let value = |i| {
                if moves.contains(&i) && advance(i) {
                    config.initial_advance as f32
                } else {
                    0.0
                }
            };
            model.heads.bias = bias((0..emitted).map(value).collect());
        }
        model
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &NtmConfig {
        &self.config
    }

    /// The same machine with a memory of another number of rows: nothing that is learned depends on it, unless the initial memory or
    /// the initial weightings are learned.
    ///
    /// # Panics
    /// If one of them is, or there are fewer than 2 rows.
    #[must_use]
    pub fn with_slots(mut self, slots: usize) -> Self {
        assert!(
            self.initial_address.is_none() && self.initial_memory.is_none(),
            "a learned initial memory or weighting has a fixed number of rows"
        );
        assert!(slots >= 2, "a memory has at least 2 rows, got {slots}");
        self.config.slots = slots;
        self
    }

    /// Numbers that it takes in a step.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The state before the first step, for `rows` sequences.
    #[must_use]
    pub fn start(&self, rows: usize) -> State {
        let NtmConfig { slots, width, .. } = self.config;
        let device = self.initial_reads.val().device().without_autodiff();
        let zeros = |h| Tensor::zeros([rows, h], &device);
        let heads = self.config.heads();
        let address = match &self.initial_address {
            Some(logits) => softmax(logits.val(), 1),
            None => Tensor::cat(
                vec![
                    Tensor::ones([heads, 1], &device),
                    Tensor::zeros([heads, slots - 1], &device),
                ],
                1,
            ),
        };
        let memory = match &self.initial_memory {
            Some(memory) => memory.val(),
            None => Tensor::full([slots, width], EMPTY, &device),
        };
        let lstm = match self.config.controller {
            Controller::Lstm => self
                .config
                .hidden
                .iter()
                .map(|&h| LstmState::new(zeros(h), zeros(h)))
                .collect(),
            Controller::FeedForward => Vec::new(),
        };
        let reads = self.initial_reads.val();
        let read_width = reads.dims()[1];
        State {
            lstm,
            hidden: zeros(self.config.hidden[self.config.hidden.len() - 1]),
            address: address.unsqueeze::<3>().expand([rows, heads, slots]),
            memory: memory.unsqueeze::<3>().expand([rows, slots, width]),
            reads: reads.expand([rows, read_width]),
        }
    }

    /// One step on the inputs `x` `[rows, inputs]`.
    #[must_use]
    pub fn step(&self, x: Tensor<2>, state: State, choose: &mut Choose<'_>) -> State {
        let input = Tensor::cat(vec![x, state.reads], 1);
        let (hidden, lstm) = self.control(input, state.lstm);
        let emission = self.emit(hidden.clone());
        let (r, w) = (self.config.read_heads, self.config.write_heads);
        let (reads, writes) = (0..r, r..r + w);
        let mut locate = |heads: Range<usize>, memory: &Tensor<3>| {
            let previous = part(&state.address, &heads);
            self.locate(&emission, heads, memory, previous, &hidden, choose)
        };
        let write = |memory, address| {
            addressing::write(
                memory,
                address,
                emission.erase.clone(),
                emission.add.clone(),
            )
        };
        let (address, memory, seen) = match self.config.order {
            Order::ReadFirst => {
                let address = locate(0..r + w, &state.memory);
                let seen = addressing::read(part(&address, &reads), state.memory.clone());
                let memory = write(state.memory, part(&address, &writes));
                (address, memory, seen)
            }
            Order::WriteFirst => {
                let written = locate(writes, &state.memory);
                let memory = write(state.memory.clone(), written.clone());
                let looked = locate(reads, &memory);
                let seen = addressing::read(looked.clone(), memory.clone());
                (Tensor::cat(vec![looked, written], 1), memory, seen)
            }
        };
        State {
            lstm,
            hidden,
            address,
            memory,
            reads: seen.flatten::<2>(1, 2),
        }
    }

    /// What the machine puts out in a state, as logits `[rows, outputs]`.
    #[must_use]
    pub fn outputs(&self, state: &State) -> Tensor<2> {
        self.output.forward(Tensor::cat(
            vec![state.hidden.clone(), state.reads.clone()],
            1,
        ))
    }

    fn control(
        &self,
        input: Tensor<2>,
        state: Vec<LstmState<2>>,
    ) -> (Tensor<2>, Vec<LstmState<2>>) {
        if self.config.controller == Controller::FeedForward {
            let hidden = self
                .layers
                .iter()
                .fold(input, |x, layer| tanh(layer.forward(x)));
            return (hidden, state);
        }
        let mut x = input;
        let mut next = Vec::with_capacity(state.len());
        for (layer, LstmState { cell, hidden }) in self.layers.iter().zip(state) {
            let gates = layer.forward(Tensor::cat(vec![x, hidden], 1));
            let state = lstm_cell(gates, cell);
            x = state.hidden.clone();
            next.push(state);
        }
        (x, next)
    }

    fn emit(&self, hidden: Tensor<2>) -> Emission {
        let rows = hidden.dims()[0];
        let (heads, writes, width) = (
            self.config.heads(),
            self.config.write_heads,
            self.config.width,
        );
        let all = self.heads.forward(hidden).clamp(-CLAMP, CLAMP);
        let mut at = 0;
        let mut take = |columns| {
            at += columns;
            all.clone().narrow(1, at - columns, columns)
        };
        // Neighbours share an activation: nothing, softplus, sigmoid.
        let add = take(writes * width).reshape([rows, writes, width]);
        let shifts = take(3 * heads).reshape([rows, heads, 3]);
        if self.config.address == Address::Shift {
            let erase = sigmoid(take(writes * width)).reshape([rows, writes, width]);
            return Emission {
                content: None,
                shifts,
                erase,
                add,
            };
        }
        let keys = take(heads * width).reshape([rows, heads, width]);
        let positive = softplus(take(2 * heads));
        let between = sigmoid(take(heads + writes * width));
        let each =
            |x: &Tensor<2>, start| x.clone().narrow(1, start, heads).reshape([rows, heads, 1]);
        let erase = between.clone().narrow(1, heads, writes * width);
        Emission {
            content: Some([
                keys,
                each(&positive, 0),
                each(&between, 0),
                each(&positive, heads) + 1.0,
            ]),
            shifts,
            erase: erase.reshape([rows, writes, width]),
            add,
        }
    }

    /// The weightings of `heads` on `memory`, `[rows, heads, slots]`.
    fn locate(
        &self,
        emission: &Emission,
        heads: Range<usize>,
        memory: &Tensor<3>,
        previous: Tensor<3>,
        hidden: &Tensor<2>,
        choose: &mut Choose<'_>,
    ) -> Tensor<3> {
        let shifts = part(&emission.shifts, &heads);
        let Some(content) = &emission.content else {
            return addressing::shift(previous, draw(shifts, heads, hidden, choose));
        };
        let [keys, strength, gate, gamma] = content.each_ref().map(|x| part(x, &heads));
        let found = addressing::content(keys, strength, memory.clone());
        let mixed = addressing::interpolate(gate, found, previous);
        let moved = addressing::shift(mixed, addressing::bounded_softmax(shifts));
        match self.config.address {
            Address::Slot => draw(addressing::sharpen_log(moved, gamma), heads, hidden, choose),
            Address::Soft | Address::Shift => addressing::sharpen(moved, gamma),
        }
    }
}

/// One choice per head from `logits` `[rows, heads, classes]`: one-hot, or relaxed.
fn draw(
    logits: Tensor<3>,
    heads: Range<usize>,
    hidden: &Tensor<2>,
    choose: &mut Choose<'_>,
) -> Tensor<3> {
    let first = heads.start;
    let chosen = heads.map(|head| {
        let logits = logits.clone().narrow(1, head - first, 1).flatten::<2>(1, 2);
        choose(head, logits, hidden).value.unsqueeze_dim::<3>(1)
    });
    Tensor::cat(chosen.collect(), 1)
}

/// The entries of some heads.
fn part(x: &Tensor<3>, heads: &Range<usize>) -> Tensor<3> {
    if heads.len() == x.dims()[1] {
        return x.clone();
    }
    x.clone().narrow(1, heads.start, heads.len())
}
