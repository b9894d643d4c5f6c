package import ModelEvaluation

/// What a card says of one file or folder: all of it read from the file, computed from its header, or measured.
package struct CardFile: Codable, Sendable {
  /// A file on disk.
  package struct Part: Codable, Hashable, Sendable {
    /// The name, with that of the folder for MLX.
    package var name: String
    /// Bytes.
    package var bytes: Int
    /// The SHA-256 of all bytes.
    package var sha256: String
  }

  /// Memory at one context.
  package struct Memory: Codable, Hashable, Sendable {
    /// Tokens of context.
    package var context: Int
    /// What llama.cpp takes, in bytes, as `pouch-estimate` counts it.
    package var bytes: Int
    /// The smallest machine of each kind that has room, by the preset's name.
    package var machines: [String]
  }

  /// What the file says of how it was made; see docs/provenance.md.
  package struct Provenance: Codable, Hashable, Sendable {
    /// The version of Pouch that wrote it.
    package var version: String?
    /// The stock mix at the bottom.
    package var mix: String?
    /// The recipe.
    package var recipe: String?
    /// Whether a recipe of this name and this text is built in.
    package var isBuiltInRecipe: Bool
    /// Flags that had an influence on types or metadata.
    package var flags: [String]
    /// The names of the source files.
    package var sourceFiles: [String]
    /// The hash of the checkpoint's `config.json`.
    package var configHash: String?
    /// The importance matrix.
    package var importanceFile: String?
    /// Its hash.
    package var importanceHash: String?
    /// Whether this is about the file as it is; otherwise another tool quantized it later and kept the keys.
    package var describesFile: Bool
  }

  /// What `pouch-perplexity` measured.
  package struct Loss: Codable, Sendable {
    /// The file of the result.
    package var result: String
    /// The perplexity.
    package var perplexity: Estimate
    /// The perplexity divided by that of the base; absent without a base.
    package var ratio: Estimate?
    /// The mean KL divergence from the base, in nats per token.
    package var meanDivergence: Estimate?
    /// The share of tokens whose likeliest token is the base's.
    package var sameTop: Estimate?
    /// The verdict in a sentence.
    package var verdict: String?
  }

  /// What `pouch-svg-eval` measured.
  package struct Drawings: Codable, Sendable {
    /// The file of the result.
    package var result: String
    /// The name of the model there.
    package var label: String
    /// The verdict of layer A.
    package var verdict: String?
    /// The mean KL divergence on the base's answers, in nats per token.
    package var divergence: Estimate?
    /// The mean likeness of own drawings with the base's, 0 to 1.
    package var score: Estimate?
    /// Answers whose tokens are all the base's.
    package var identical: Int?
    /// Answers.
    package var answers: Int
  }

  /// The name: of the file, of the first shard, or of the folder.
  package var name: String
  /// `GGUF` or `MLX`.
  package var format: String
  /// The mix or recipe, or bits and groups.
  package var type: String
  /// `vision tower` for the file that llama.cpp calls mmproj; absent for the language model.
  package var role: String?
  /// Bytes of all parts.
  package var bytes: Int
  /// Bits per weight over all tensors.
  package var bitsPerWeight: Double?
  /// The files.
  package var parts: [Part]
  /// A hash by which results know the file; see `modelXXH64` of `pouch.perplexity`.
  package var contentXXH64: String
  /// Memory with llama.cpp; empty for MLX.
  package var memory: [Memory]
  /// How it was made, as far as the file says.
  package var provenance: Provenance?
  /// What it loses on text.
  package var loss: Loss?
  /// What it loses on drawings.
  package var drawings: Drawings?

  /// Whether it is a vision tower, which belongs to the language model's files.
  var isVisionTower: Bool { role != nil }

  /// Whether it is a set of shards.
  var isSplit: Bool { format == "GGUF" && parts.count > 1 }
}
