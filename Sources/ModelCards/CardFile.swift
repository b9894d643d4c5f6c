public import ModelEvaluation

/// What a card says of one file or folder: all of it read from the file, computed from its header, or measured.
public struct CardFile: Codable, Sendable {
  /// A file on disk.
  public struct Part: Codable, Hashable, Sendable {
    /// The name, with that of the folder for MLX.
    public var name: String
    /// Bytes.
    public var bytes: Int
    /// The SHA-256 of all bytes.
    public var sha256: String
  }

  /// Memory at one context.
  public struct Memory: Codable, Hashable, Sendable {
    /// Tokens of context.
    public var context: Int
    /// What llama.cpp takes, in bytes, as `pouch-estimate` counts it.
    public var bytes: Int
    /// The smallest machine of each kind that has room, by the preset's name.
    public var machines: [String]
  }

  /// What the file says of how it was made; see docs/provenance.md.
  public struct Provenance: Codable, Hashable, Sendable {
    /// The version of Pouch that wrote it.
    public var version: String?
    /// The stock mix at the bottom.
    public var mix: String?
    /// The recipe.
    public var recipe: String?
    /// Whether a recipe of this name and this text is built in.
    public var isBuiltInRecipe: Bool
    /// Flags that had an influence on types or metadata.
    public var flags: [String]
    /// The names of the source files.
    public var sourceFiles: [String]
    /// The hash of the checkpoint's `config.json`.
    public var configHash: String?
    /// The importance matrix.
    public var importanceFile: String?
    /// Its hash.
    public var importanceHash: String?
    /// Whether this is about the file as it is; otherwise another tool quantized it later and kept the keys.
    public var describesFile: Bool
  }

  /// What `pouch-perplexity` measured.
  public struct Loss: Codable, Sendable {
    /// The file of the result.
    public var result: String
    /// The perplexity.
    public var perplexity: Estimate
    /// The perplexity divided by that of the base; absent without a base.
    public var ratio: Estimate?
    /// The mean KL divergence from the base, in nats per token.
    public var meanDivergence: Estimate?
    /// The share of tokens whose likeliest token is the base's.
    public var sameTop: Estimate?
    /// The verdict in a sentence.
    public var verdict: String?
  }

  /// What `pouch-svg-eval` measured.
  public struct Drawings: Codable, Sendable {
    /// The file of the result.
    public var result: String
    /// The name of the model there.
    public var label: String
    /// The verdict of layer A.
    public var verdict: String?
    /// The mean KL divergence on the base's answers, in nats per token.
    public var divergence: Estimate?
    /// The mean likeness of own drawings with the base's, 0 to 1.
    public var score: Estimate?
    /// Answers whose tokens are all the base's.
    public var identical: Int?
    /// Answers.
    public var answers: Int
  }

  /// The name: of the file, of the first shard, or of the folder.
  public var name: String
  /// `GGUF` or `MLX`.
  public var format: String
  /// The mix or recipe, or bits and groups.
  public var type: String
  /// `vision tower` for the file that llama.cpp calls mmproj; absent for the language model.
  public var role: String?
  /// Bytes of all parts.
  public var bytes: Int
  /// Bits per weight over all tensors.
  public var bitsPerWeight: Double?
  /// The files.
  public var parts: [Part]
  /// A hash by which results know the file; see `modelXXH64` of `pouch.perplexity`.
  public var contentXXH64: String
  /// Memory with llama.cpp; empty for MLX.
  public var memory: [Memory]
  /// How it was made, as far as the file says.
  public var provenance: Provenance?
  /// What it loses on text.
  public var loss: Loss?
  /// What it loses on drawings.
  public var drawings: Drawings?

  /// Whether it is a vision tower, which belongs to the language model's files.
  var isVisionTower: Bool { role != nil }

  /// Whether it is a set of shards.
  var isSplit: Bool { format == "GGUF" && parts.count > 1 }
}
