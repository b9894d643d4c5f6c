import CommandSupport
import ReferenceRuntime

/// The object that `--json` prints.
struct GenerateReport: Encodable {
  struct Timings: Encodable {
    var loadSeconds: Double
    var prefillTokens: Int
    var prefillSeconds: Double
    var prefillTokensPerSecond: Double
    var decodeTokens: Int
    var decodeSeconds: Double
    var decodeTokensPerSecond: Double
  }

  struct Memory: Encodable {
    var peakResidentBytes: Int
    var mappedBytes: Int
    var materializedBytes: Int
    var stateBytes: Int
    var scratchBytes: Int
  }

  struct Sampling: Encodable {
    var temperature: Float
    var topK: Int
    var topP: Float
    var minP: Float
    var repeatPenalty: Float
    var repeatLastN: Int
    var frequencyPenalty: Float
    var presencePenalty: Float
    var seed: UInt32
  }

  var model: String
  var architecture: String
  var mode: String
  var text: String
  var promptTokens: [Int32]
  var tokens: [Int32]
  var stopReason: String
  /// What the user should know, such as a context beyond the model's own.
  var notes: [String]
  /// Tokens that the context has room for.
  var contextLength: Int
  var sampling: Sampling
  var timings: Timings
  var memory: Memory

  init(
    command: Command, session: Session, prompt: [Int32], text: String, options: SamplingOptions,
    report: GenerationReport, notes: [String], loadSeconds: Double
  ) {
    model = command.model
    architecture = session.model.shape.architecture
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
