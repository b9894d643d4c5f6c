import FileBytes
import CommandSupport
import ReferenceRuntime

/// The object that `--json` prints.
struct GenerateReport: Encodable {
  struct Timings: Encodable {
    /// Seconds to open the model.
    var loadSeconds: Double
    /// Tokens of the prompt.
    var prefillTokens: Int
    /// Seconds for the prompt.
    var prefillSeconds: Double
    /// Speed of the prompt.
    var prefillTokensPerSecond: Double
    /// Tokens made.
    var decodeTokens: Int
    /// Seconds for these.
    var decodeSeconds: Double
    /// Speed of making tokens.
    var decodeTokensPerSecond: Double
  }

  struct Memory: Encodable {
    /// The most memory that the process held.
    var peakResidentBytes: Int
    /// Bytes of the model's files, mapped.
    var mappedBytes: Int
    /// Bytes of weights that were converted into memory.
    var materializedBytes: Int
    /// Bytes of caches and recurrent states.
    var stateBytes: Int
    /// Bytes of buffers.
    var scratchBytes: Int
  }

  struct Sampling: Encodable {
    /// The temperature; 0 takes the likeliest token.
    var temperature: Float
    /// Tokens kept by rank; 0 keeps all.
    var topK: Int
    /// Probability mass kept.
    var topP: Float
    /// Least probability kept, as a share of the likeliest token's.
    var minP: Float
    /// The penalty on tokens that occurred; 1 for none.
    var repeatPenalty: Float
    /// Tokens that the penalties look back.
    var repeatLastN: Int
    /// The penalty per occurrence.
    var frequencyPenalty: Float
    /// The penalty on any occurrence.
    var presencePenalty: Float
    /// The seed.
    var seed: UInt32
  }

  /// The model as given.
  var model: String
  /// The architecture in GGUF terms.
  var architecture: String
  /// exact or fast.
  var mode: String
  /// The text made.
  var text: String
  /// The tokens of the prompt.
  var promptTokens: [Int32]
  /// The tokens made.
  var tokens: [Int32]
  /// Why it ended.
  var stopReason: String
  /// What the user should know, such as a context beyond the model's own.
  var notes: [String]
  /// Tokens that the context has room for.
  var contextLength: Int
  /// How tokens were chosen.
  var sampling: Sampling
  /// Times and speeds.
  var timings: Timings
  /// Bytes of memory.
  var memory: Memory

  init(
    command: Command, session: Session, prompt: [Int32], text: String, options: SamplingOptions,
    report: GenerationReport, notes: [String], loadSeconds: Double
  ) {
    model = command.model
    architecture = session.model.architectureName
    mode = command.mode.rawValue
    self.text = text
    promptTokens = prompt
    tokens = report.tokens
    stopReason = report.stopReason.rawValue
    self.notes = notes
    contextLength = session.contextLength
    sampling = Sampling(
      temperature: options.temperature, topK: options.topK, topP: options.topP, minP: options.minP,
      repeatPenalty: options.repeatPenalty, repeatLastN: options.repeatLastN,
      frequencyPenalty: options.frequencyPenalty, presencePenalty: options.presencePenalty, seed: options.seed
    )
    timings = Timings(
      loadSeconds: loadSeconds, prefillTokens: report.promptTokenCount, prefillSeconds: report.prefillSeconds,
      prefillTokensPerSecond: report.prefillTokensPerSecond, decodeTokens: report.decodedTokenCount,
      decodeSeconds: report.decodeSeconds, decodeTokensPerSecond: report.decodeTokensPerSecond)
    let report = session.memoryReport
    memory = Memory(
      peakResidentBytes: ProcessMemory.peakResidentByteCount, mappedBytes: report.mappedByteCount,
      materializedBytes: report.materializedByteCount, stateBytes: report.stateByteCount,
      scratchBytes: report.scratchByteCount)
  }
}
