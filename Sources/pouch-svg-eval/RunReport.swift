import CommandSupport
import ModelEvaluation
import SVGRendering

/// What `--json` prints, and `results.json` holds.
struct RunReport: Encodable {
  struct Cell: Encodable {
    /// The model.
    var model: String
    /// Whether the answer is the base's.
    var isIdentical: Bool
    /// Tokens until the answers differ.
    var agreeingTokens: Int?
    /// Likeness with the base's drawing, 0 to 1; see docs/svg-eval.md.
    var score: Double?
    /// The part of the score for agreeing tokens, 0 to 1.
    var agreement: Double?
    /// The part of the score for elements, 0 to 1.
    var structure: Double?
    /// The part of the score for shapes, 0 to 1.
    var geometry: Double?
    /// The part of the score for pictures, 0 to 1.
    var raster: Double?
    /// What is wrong with the drawing.
    var failedGates: [DrawingGate]
    /// Why there is no drawing.
    var problem: String?
    /// For each assertion of the prompt, whether it holds.
    var assertionsMet: [Bool]
    /// The mean shift of coordinates in user units, reading the base's answer.
    var coordinateShift: Double?
    /// The mean KL divergence in nats per token, reading the base's answer.
    var meanDivergence: Double?
  }

  struct Prompt: Encodable {
    /// The prompt's id.
    var id: String
    /// The kind of prompt.
    var family: String
    /// The prompt.
    var prompt: String
    /// What is checked, in words.
    var assertions: [String]
    /// One entry for each model.
    var cells: [Cell]
  }

  /// The version of the score.
  var scoreVersion = PairScore.version
  /// The renderer and its version.
  var rendererVersion: String
  /// The files of prompts.
  var promptFiles: [String]
  /// A hash of the prompts.
  var promptsXXH64: String
  /// exact or fast.
  var mode: String
  /// The most tokens of an answer.
  var tokenLimit: Int
  /// Seeded draws per prompt.
  var samples: Int
  /// The temperature of the draws.
  var temperature: Float
  /// The seed of the first draw.
  var seed: UInt32
  /// The summary of each model.
  var models: [SVGSummary]
  /// One entry for each prompt.
  var prompts: [Prompt]

  init(command: Command, prompts set: PromptSet, results: SVGResults, renderer: LibrsvgRenderer) throws {
    rendererVersion = "librsvg " + renderer.version
    promptFiles = command.prompts
    promptsXXH64 = String(set.hash, radix: 16)
    mode = command.mode.rawValue
    tokenLimit = command.predict
    samples = command.samples
    temperature = command.temperature
    seed = command.seed
    models = try results.summaries.map { summary in
      var summary = summary
      if summary.kind != .included {
        summary.modelXXH64 = try ModelFingerprint.ofContent(summary.source)
        summary.modelBytes = try ModelFingerprint.weightByteCount(summary.source)
      }
      return summary
    }
    prompts = results.prompts.enumerated().map { number, prompt in
      Prompt(
        id: prompt.id, family: prompt.family, prompt: prompt.prompt,
        assertions: prompt.assertions.map(\.summary),
        cells: zip(results.summaries, results.cells).compactMap { summary, column in
          column[number].map { Self.cell(summary.label, $0) }
        })
    }
  }

  private static func cell(_ label: String, _ cell: SVGCell) -> Cell {
    let coordinates = cell.forced?.coordinates
    let total = cell.forced?.total
    return Cell(
      model: label, isIdentical: cell.isIdentical, agreeingTokens: cell.agreeingTokens,
      score: cell.pair?.total,
      agreement: cell.pair?.agreement, structure: cell.pair?.structure, geometry: cell.pair?.geometry,
      raster: cell.pair?.raster, failedGates: cell.analysis.failedGates,
      problem: cell.analysis.problem.isEmpty ? nil : cell.analysis.problem, assertionsMet: cell.met,
      coordinateShift: coordinates.map { $0.shift / Double(max($0.count, 1)) },
      meanDivergence: total.map { $0.divergence / Double(max($0.count, 1)) })
  }
}
