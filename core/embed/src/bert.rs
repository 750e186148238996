//! The BERT encoder: token ids in, one vector a token out. It owns the weights, as f32, each checked against the
//! configuration before anything is computed.

use candle_core::safetensors::{Load, SliceSafetensors};
use candle_core::{DType, Device, Module, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};
use candle_nn::{Embedding, Linear};

use crate::error::{EmbedError, Result};
use crate::settings::{Activation, BertConfig};

const WEIGHTS: &str = "model.safetensors";

/// The tensors of a file, by name, under the prefix they were saved with.
struct Weights<'a> {
    tensors: SliceSafetensors<'a>,
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self> {
        let tensors = SliceSafetensors::new(bytes).map_err(|e| EmbedError::malformed(WEIGHTS, e))?;
        // A model saved with its training head has the encoder under "bert.".
        let prefix = if tensors.get("bert.embeddings.word_embeddings.weight").is_ok() { "bert." } else { "" };
        Ok(Weights { tensors, prefix })
    }

    fn tensor(&self, name: &str, expected: &[usize]) -> Result<Tensor> {
        let name = format!("{}{name}", self.prefix);
        let Ok(view) = self.tensors.get(&name) else { return Err(EmbedError::MissingTensor { name }) };
        if view.shape() != expected {
            let (expected, actual) = (expected.to_vec(), view.shape().to_vec());
            return Err(EmbedError::TensorShape { name, expected, actual });
        }
        match DType::try_from(view.dtype()) {
            Ok(DType::F32 | DType::F16 | DType::BF16 | DType::F64) => {}
            _ => return Err(EmbedError::TensorType { name, actual: format!("{:?}", view.dtype()) }),
        }
        let tensor = view.load(&Device::Cpu).and_then(|tensor| tensor.to_dtype(DType::F32));
        tensor.map_err(|e| EmbedError::malformed(WEIGHTS, format_args!("tensor {name}: {e}")))
    }

    fn embedding(&self, name: &str, rows: usize, width: usize) -> Result<Embedding> {
        Ok(Embedding::new(self.tensor(&format!("embeddings.{name}.weight"), &[rows, width])?, width))
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Linear::new(weight, Some(self.tensor(&format!("{name}.bias"), &[outputs])?)))
    }

    fn norm(&self, name: &str, config: &BertConfig) -> Result<Norm> {
        // Files converted from TensorFlow keep its names for the two.
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let old = self.tensors.get(&format!("{}{name}.gamma", self.prefix)).is_ok();
        let (weight, bias) =
            if old { (format!("{name}.gamma"), format!("{name}.beta")) } else { (weight, bias) };
        let width = [config.hidden_size];
        Ok(Norm {
            weight: self.tensor(&weight, &width)?,
            bias: self.tensor(&bias, &width)?,
            eps: config.layer_norm_eps as f32,
        })
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(x, &self.weight, &self.bias, self.eps)?)
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
    heads: usize,
    activation: Activation,
}

impl Layer {
    fn load(weights: &Weights<'_>, config: &BertConfig, number: usize) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        Ok(Layer {
            query: weights.linear(&name("attention.self.query"), hidden, hidden)?,
            key: weights.linear(&name("attention.self.key"), hidden, hidden)?,
            value: weights.linear(&name("attention.self.value"), hidden, hidden)?,
            attention_output: weights.linear(&name("attention.output.dense"), hidden, hidden)?,
            attention_norm: weights.norm(&name("attention.output.LayerNorm"), config)?,
            intermediate: weights.linear(&name("intermediate.dense"), hidden, inner)?,
            output: weights.linear(&name("output.dense"), inner, hidden)?,
            output_norm: weights.norm(&name("output.LayerNorm"), config)?,
            heads: config.num_attention_heads,
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (batch, length, hidden) = x.dims3()?;
        let width = hidden / self.heads;
        let by_head = |x: Tensor| -> Result<Tensor> {
            Ok(x.reshape((batch, length, self.heads, width))?.transpose(1, 2)?.contiguous()?)
        };
        let query = (by_head(self.query.forward(x)?)? * (1.0 / (width as f64).sqrt()))?;
        let key = by_head(self.key.forward(x)?)?;
        let value = by_head(self.value.forward(x)?)?;
        let mut scores = query.matmul(&key.t()?)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let context = softmax_last_dim(&scores)?.matmul(&value)?;
        let context = context.transpose(1, 2)?.reshape((batch, length, hidden))?;
        let attended = self.attention_norm.forward(&(self.attention_output.forward(&context)? + x)?)?;
        let inner = self.intermediate.forward(&attended)?;
        let inner = match self.activation {
            Activation::Gelu => inner.gelu_erf()?,
            Activation::GeluTanh => inner.gelu()?,
            Activation::Relu => inner.relu()?,
        };
        self.output_norm.forward(&(self.output.forward(&inner)? + attended)?)
    }
}

/// Token ids of several texts, padded to one length.
pub(crate) struct Batch {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    /// Tokens of each text, without the padding.
    pub lengths: Vec<usize>,
    /// Tokens of each text, with the padding.
    pub padded: usize,
}

pub(crate) struct Bert {
    words: Embedding,
    positions: Tensor,
    types: Embedding,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Bert {
    pub(crate) fn load(bytes: &[u8], config: &BertConfig) -> Result<Self> {
        let weights = Weights::open(bytes)?;
        let hidden = config.hidden_size;
        let words = weights.embedding("word_embeddings", config.vocab_size, hidden)?;
        let positions = weights
            .tensor("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden])?;
        let types = weights.embedding("token_type_embeddings", config.type_vocab_size, hidden)?;
        let norm = weights.norm("embeddings.LayerNorm", config)?;
        let mut layers = Vec::new();
        for number in 0..config.num_hidden_layers {
            layers.push(Layer::load(&weights, config, number)?);
        }
        Ok(Bert { words, positions, types, norm, layers })
    }

    /// The last layer's vectors, row-major: text, then token (padding included), then component.
    pub(crate) fn forward(&self, batch: Batch) -> Result<Vec<f32>> {
        let Batch { ids, type_ids, lengths, padded } = batch;
        let shape = (lengths.len(), padded);
        let mask = if lengths.iter().all(|&length| length == padded) {
            None
        } else {
            // Far below any score, yet finite: the exponential of what is masked is exactly 0.
            let row = |&length: &usize| (0..padded).map(move |i| if i < length { 0.0 } else { f32::MIN });
            let mask: Vec<f32> = lengths.iter().flat_map(row).collect();
            Some(Tensor::from_vec(mask, (lengths.len(), 1, 1, padded), &Device::Cpu)?)
        };
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let type_ids = Tensor::from_vec(type_ids, shape, &Device::Cpu)?;
        let x = (self.words.forward(&ids)? + self.types.forward(&type_ids)?)?;
        let mut x = self.norm.forward(&x.broadcast_add(&self.positions.narrow(0, 0, padded)?)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, mask.as_ref())?;
        }
        Ok(x.flatten_all()?.to_vec1()?)
    }
}
