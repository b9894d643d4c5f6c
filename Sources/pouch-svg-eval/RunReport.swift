import CommandSupport
import ModelEvaluation
import SVGRendering

/// What `--json` prints, and `results.json` holds.
struct RunReport: Encodable {
  struct Cell: Encodable {
    var model: String
    var isIdentical: Bool
    var agreeingTokens: Int?
    var score: Double?
    var agreement: Double?
    var structure: Double?
    var geometry: Double?
    var raster: Double?
    var failedGates: [DrawingGate]
    var problem: String?
    var assertionsMet: [Bool]
    var coordinateShift: Double?
    var meanDivergence: Double?
  }

  struct Prompt: Encodable {
    var id: String
    var family: String
    var prompt: String
    var assertions: [String]
    var cells: [Cell]
  }

  var scoreVersion = PairScore.version
  var rendererVersion = "librsvg " + LibrsvgRenderer.version
  var promptFiles: [String]
  var promptsXXH64: String
  var mode: String
  var tokenLimit: Int
  var samples: Int
  var temperature: Float
  var seed: UInt32
  var models: [SVGSummary]
  var prompts: [Prompt]

  init(command: Command, prompts set: PromptSet, results: SVGResults) {
    promptFiles = command.prompts
    promptsXXH64 = String(set.hash, radix: 16)
    mode = command.mode.rawValue
    tokenLimit = command.predict
    samples = command.samples
    temperature = command.temperature
    seed = command.seed
    models = results.summaries
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
