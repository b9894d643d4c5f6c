internal import FileBytes
public import TensorTypes

/// How a model is run; names and defaults are llama.cpp's.
public struct RunOptions: Hashable, Sendable {
  /// The engines whose memory can be told.
  public enum Engine: String, CaseIterable, Codable, Hashable, Sendable {
    case llamaCpp = "llama.cpp"
    case pouch
  }

  /// Tokens of context, all sequences together.
  public var contextLength: Int
  /// The type of cached keys.
  public var keyType = TensorType.f16
  /// The type of cached values.
  public var valueType = TensorType.f16
  /// Tokens handed over at once (`-b`).
  public var batchLength = 2048
  /// Tokens computed at once (`-ub`).
  public var microBatchLength = 512
  /// Sequences (`-np`).
  public var sequenceCount = 1
  /// Whether they share one cache (`-kvu`).
  public var isUnified = false
  /// Whether caches of layers with a window keep every position (`--swa-full`), as llama.cpp's C API has it by default;
  /// its tools keep those that the window reaches.
  public var keepsFullWindows = false
  /// Whether attention is one operation (`-fa`); llama.cpp turns it on wherever it can.
  public var flashAttention = true
  /// Whether logits of all tokens of a batch are kept, as llama-perplexity and llama-bench do; llama-server and
  /// llama-cli keep one row per sequence.
  public var keepsAllLogits = false
  /// Whether llama.cpp copies weights into the layout of its x86 kernels.
  public var repacks = false
  /// Whether the next-token-prediction block is loaded, too.
  public var loadsNextToken = false
  /// Whether the tokenizer's tables are left out.
  public var skipsTokenizer = false
  /// Threads of Pouch's runtime, which have scratch memory of their own.
  public var threadCount = 2

  /// Creates options with the defaults.
  public init(contextLength: Int) { self.contextLength = contextLength }

  /// What Pouch's own cache holds: f16 where both are; values that went through another type's codes are f32.
  package var pouchCacheType: TensorType { keyType == .f16 && valueType == .f16 ? .f16 : .f32 }

  /// Checks ranges.
  ///
  /// - Throws: ``EstimationError`` with `badOption`.
  package func check() throws {
    func require(_ condition: Bool, _ setting: Setting, _ expected: Wording, _ found: Int) throws {
      guard !condition else { return }
      throw EstimationError(
        .badOption, Fault(subject: Wording(setting), expected: expected, found: "\(found)"))
    }
    try require(
      1...Self.longestContext ~= contextLength, .contextLength, "1 to \(Self.longestContext) tokens",
      contextLength)
    try require(1...(1 << 24) ~= batchLength, .batchLength, "1 to \(1 << 24) tokens", batchLength)
    try require(
      1...(1 << 20) ~= microBatchLength, .microBatchLength, "1 to \(1 << 20) tokens", microBatchLength)
    try require(1...256 ~= sequenceCount, .sequenceCount, "1 to 256 sequences", sequenceCount)
    try require(1...4096 ~= threadCount, .threads, "1 to 4096 threads", threadCount)
    for (setting, type) in [(Setting.keyType, keyType), (.valueType, valueType)]
    where !TensorType.cacheTypes.contains(type) {
      throw EstimationError(
        .badOption,
        Fault(
          subject: Wording(setting),
          expected: "one of \(TensorType.cacheTypes.map(\.name).joined(separator: ", "))",
          found: "\(type.name)"))
    }
    guard flashAttention || !valueType.isQuantized else {
      throw EstimationError(
        .badOption,
        Fault(
          subject: "\(.valueType)", expected: "f32, f16 or bf16 without flash attention",
          found: "\(valueType.name)",
          remedy: "leave \(.flashAttention) on"))
    }
  }

  /// Contexts beyond this are typing errors.
  package static let longestContext = 1 << 30
}
