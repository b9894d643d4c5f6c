internal import Foundation

/// A checkpoint of a very small Qwen3-MoE with a tokenizer of single bytes, to be changed and then written.
///
/// One layer, hidden size 64, two heads of 32, four experts of width 32, tied embeddings. Values are bf16 and
/// come from a seed.
public struct TinyCheckpoint {
  /// A tensor as a safetensors file holds it.
  public struct Tensor {
    /// The type in the header.
    public var type: String
    /// The shape in the header, slowest dimension first.
    public var shape: [Int]
    /// The data, little-endian.
    public var bytes: [UInt8]

    /// Creates a tensor.
    public init(type: String = "BF16", shape: [Int], bytes: [UInt8]) {
      self.type = type
      self.shape = shape
      self.bytes = bytes
    }
  }

  /// The content of `config.json`.
  public var config: [String: Any]
  /// The content of `tokenizer.json`.
  public var tokenizer: [String: Any]
  /// The tensors by shard and name.
  public var shards: [[String: Tensor]]

  /// Rows of the embedding: 256 bytes, three special tokens, and padding.
  public static let vocabularySize = 288
  private static let hiddenSize = 64

  /// Creates a good checkpoint.
  ///
  /// - Parameters:
  ///   - seed: Where the values come from.
  ///   - expertWidth: Columns of the experts' down projections; 96 and the like force other types.
  public init(seed: UInt64 = 1, expertWidth: Int = 32) {
    config = Self.config(expertWidth: expertWidth)
    tokenizer = Self.tokenizer
    var generator = SeededGenerator(seed: seed)
    func matrix(_ shape: Int...) -> Tensor {
      Tensor(shape: shape, bytes: Self.values(shape.reduce(1, *), near: 0, &generator))
    }
    func norm(_ count: Int) -> Tensor {
      Tensor(shape: [count], bytes: Self.values(count, near: 1, &generator))
    }
    let hidden = Self.hiddenSize
    let layer = "model.layers.0."
    var first = ["model.embed_tokens.weight": matrix(Self.vocabularySize, hidden)]
    for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
      first[layer + "self_attn." + name + ".weight"] = matrix(hidden, hidden)
    }
    for name in ["q_norm", "k_norm"] { first[layer + "self_attn." + name + ".weight"] = norm(32) }
    for name in ["input_layernorm", "post_attention_layernorm"] {
      first[layer + name + ".weight"] = norm(hidden)
    }
    var second = ["model.norm.weight": norm(hidden), layer + "mlp.gate.weight": matrix(4, hidden)]
    for expert in 0..<4 {
      let prefix = layer + "mlp.experts.\(expert)."
      second[prefix + "gate_proj.weight"] = matrix(expertWidth, hidden)
      second[prefix + "up_proj.weight"] = matrix(expertWidth, hidden)
      second[prefix + "down_proj.weight"] = matrix(hidden, expertWidth)
    }
    shards = [first, second]
  }

  /// The file name of a shard.
  public func shardName(_ number: Int) -> String {
    shards.count == 1 ? "model.safetensors" : "model-0000\(number + 1)-of-0000\(shards.count).safetensors"
  }

  /// Changes the tensor `name` in whichever shard has it.
  public mutating func change(_ name: String, _ body: (inout Tensor) -> Void) {
    for index in shards.indices {
      if var tensor = shards[index][name] {
        body(&tensor)
        shards[index][name] = tensor
      }
    }
  }

  /// Sets one value of a bf16 tensor.
  public mutating func set(_ name: String, at index: Int, bits: UInt16) {
    change(name) { tensor in
      tensor.bytes[2 * index] = UInt8(truncatingIfNeeded: bits)
      tensor.bytes[2 * index + 1] = UInt8(truncatingIfNeeded: bits >> 8)
    }
  }

  /// Writes the folder `name` inside `parent` and returns its path.
  public func write(in parent: TemporaryFolder, name: String = "tiny-model") throws -> String {
    let folder = parent.url.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Self.json(config).write(to: folder.appendingPathComponent("config.json"))
    try Self.json(tokenizer).write(to: folder.appendingPathComponent("tokenizer.json"))
    var map: [String: String] = [:]
    var total = 0
    for (number, tensors) in shards.enumerated() {
      let file = shardName(number)
      try Data(Self.safetensors(tensors)).write(to: folder.appendingPathComponent(file))
      for (name, tensor) in tensors {
        map[name] = file
        total += tensor.bytes.count
      }
    }
    if shards.count > 1 {
      let index: [String: Any] = ["metadata": ["total_size": total], "weight_map": map]
      try Self.json(index).write(to: folder.appendingPathComponent("model.safetensors.index.json"))
    }
    return folder.path
  }

  private static func json(_ object: [String: Any]) throws -> Data {
    try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .prettyPrinted])
  }

  /// The bytes of a safetensors file, with `format` in its metadata.
  static func safetensors(_ tensors: [String: Tensor], format: String = "pt") throws -> [UInt8] {
    var header: [String: Any] = ["__metadata__": ["format": format]]
    var data: [UInt8] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      header[name] = [
        "dtype": tensor.type, "shape": tensor.shape,
        "data_offsets": [data.count, data.count + tensor.bytes.count],
      ]
      data += tensor.bytes
    }
    return SafetensorsBytes.file([UInt8](try json(header))) + data
  }

  /// bf16 values within a quarter of `center`.
  private static func values(_ count: Int, near center: Float, _ generator: inout SeededGenerator) -> [UInt8]
  {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * count)
    for _ in 0..<count {
      let bits = (center + Float.random(in: -0.25...0.25, using: &generator)).bitPattern >> 16
      bytes.append(UInt8(truncatingIfNeeded: bits))
      bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
    }
    return bytes
  }

  private static func config(expertWidth: Int) -> [String: Any] {
    [
      "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": vocabularySize,
      "hidden_size": hiddenSize, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
      "head_dim": 32, "intermediate_size": 128, "moe_intermediate_size": expertWidth, "num_experts": 4,
      "num_experts_per_tok": 2, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 512,
      "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true, "dtype": "bfloat16",
      "eos_token_id": 258, "pad_token_id": 256,
    ]
  }

  /// The splitting rule of Qwen2 tokenizers, which decides their pre-tokenizer name.
  private static let splitPattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private static var tokenizer: [String: Any] {
    let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    let added: [[String: Any]] = special.enumerated().map { number, text in
      [
        "id": 256 + number, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ]
    }
    let split: [String: Any] = [
      "type": "Split", "pattern": ["Regex": splitPattern], "behavior": "Isolated", "invert": false,
    ]
    let bytes: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    ]
    return [
      "version": "1.0", "added_tokens": added, "normalizer": ["type": "NFC"],
      "pre_tokenizer": ["type": "Sequence", "pretokenizers": [split, bytes]],
      "decoder": bytes,
      // llama.cpp loads no vocabulary of byte pairs without a merge; texts of tests have no q before a z.
      "model": [
        "type": "BPE", "vocab": byteVocabulary.merging(["qz": 259]) { $1 }, "merges": [["q", "z"]],
      ] as [String: Any],
    ]
  }

  /// The characters that stand for bytes in byte-level tokenizers: printable ones for themselves, others from 256 on.
  private static var byteVocabulary: [String: Int] {
    let printable = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let scalars = printable + Array(256..<(256 + 256 - printable.count))
    var result: [String: Int] = [:]
    for (id, value) in scalars.enumerated() {
      if let scalar = Unicode.Scalar(UInt32(value)) { result[String(Character(scalar))] = id }
    }
    return result
  }
}
