internal import FileBytes
internal import Foundation
internal import ModelEvaluation

/// A document that `--json` of a measuring command printed.
struct ResultDocument {
  /// What `pouch-perplexity` printed; the keys that a card needs.
  struct Perplexity: Decodable {
    struct Comparison: Decodable {
      var base: String
      var baseXXH64: String?
      var basePerplexity: Estimate
      var ratio: Estimate
      var meanDivergence: Estimate
      var sameTop: Estimate
    }
    struct Result: Decodable {
      var model: String
      var modelXXH64: String?
      var cache: String
      var text: String?
      var textXXH64: String?
      var windowLength: Int
      var windows: Int
      var windowStep: Int
      var scoredTokens: Int
      var isComplete: Bool
      var mode: String
      var perplexity: Estimate?
      var verdictText: String?
      var comparison: Comparison?
    }
    var part: String?
    var isComplete: Bool
    var firstWindow: Int
    var results: [Result]
  }

  /// What `pouch-svg-eval` printed; the keys that a card needs.
  struct Drawings: Decodable {
    struct Prompt: Decodable {
      struct Cell: Decodable {
        var model: String
        var isIdentical: Bool
        var score: Double?
      }
      var id: String
      var prompt: String
      var cells: [Cell]
    }
    var promptFiles: [String]
    var promptsXXH64: String
    var scoreVersion: String
    var mode: String
    var tokenLimit: Int
    var models: [SVGSummary]
    var prompts: [Prompt]
  }

  enum Content {
    case perplexity(Perplexity)
    case drawings(Drawings)
  }

  let path: String
  let content: Content

  private struct Head: Decodable {
    var schema: String
    var schemaVersion: Int
  }

  private static let byteLimit = 256 << 20

  /// Reads a document.
  ///
  /// - Throws: `FileError`, ``CardError`` with `badResult`.
  init(path: String) throws {
    self.path = path
    let data = Data(try ReadableFile.contents(of: path, limit: Self.byteLimit))
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    func refusal(_ found: String) -> CardError {
      CardError(
        .badResult,
        Fault(
          file: path, expected: "what pouch-perplexity --json or pouch-svg-eval --json printed", found: found)
      )
    }
    func read<Value: Decodable>(_ type: Value.Type) throws -> Value {
      do {
        return try decoder.decode(type, from: data)
      } catch DecodingError.keyNotFound(let key, _) {
        throw refusal("no \(key.stringValue) in it")
      } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
        throw refusal(
          "something else under \(context.codingPath.map(\.stringValue).joined(separator: "."))")
      } catch {
        throw refusal("something that is not JSON of that form")
      }
    }
    let head = try read(Head.self)
    switch (head.schema, head.schemaVersion) {
    case ("pouch.perplexity", 1): content = .perplexity(try read(Perplexity.self))
    case ("pouch.drawings", 1): content = .drawings(try read(Drawings.self))
    default: throw refusal("\(head.schema), version \(head.schemaVersion)")
    }
  }
}

/// Puts results beside the files that they are of.
struct MeasuredResults {
  private(set) var files: [CardFile]
  /// How text was measured; `nil` without such a result.
  private(set) var measurement: QuantizedCard.Measurement?
  /// How drawings were measured; `nil` without such a result.
  private(set) var drawing: QuantizedCard.DrawingMeasurement?
  /// What was left out.
  private(set) var notices: [String] = []
  /// The results of drawings with the files that they are of, by the files' index.
  private(set) var drawn: [(document: ResultDocument.Drawings, path: String, labels: [Int: String])] = []

  init(_ files: [CardFile], _ documents: [ResultDocument]) throws {
    self.files = files
    for document in documents {
      switch document.content {
      case .perplexity(let content): try add(content, document.path)
      case .drawings(let content): try add(content, document.path)
      }
    }
  }

  // MARK: - Which file

  /// The file that a result is of; `nil` for one that is not on the card.
  private func file(_ hash: String?, _ model: String, _ path: String) throws -> Int? {
    let name = ModelFolder(model).name
    guard let hash, !hash.isEmpty else {
      throw CardError(
        .badResult,
        Fault(
          file: path, subject: model, expected: "modelXXH64, which says of which file it is", found: "none",
          remedy: "measure again with this version"))
    }
    if let index = files.firstIndex(where: { $0.contentXXH64 == hash }) { return index }
    guard let same = files.first(where: { $0.name == name }) else { return nil }
    throw CardError(
      .otherFile,
      Fault(
        file: path, subject: model, expected: "a result of \(same.name) as it is now, \(same.contentXXH64)",
        found: "one of another file of this name, \(hash)", remedy: "measure the file again"))
  }

  private mutating func finish(_ path: String, _ found: Int, others: [String]) throws {
    guard found > 0 else {
      throw CardError(
        .otherFile,
        Fault(
          file: path, expected: "a result of " + files.map(\.name).joined(separator: ", "),
          found: others.isEmpty ? "none" : "results of " + others.joined(separator: ", ")))
    }
    if !others.isEmpty {
      notices.append("\(path): left out, since the card has no such file: \(others.joined(separator: ", "))")
    }
  }

  // MARK: - Perplexity

  private mutating func add(_ content: ResultDocument.Perplexity, _ path: String) throws {
    guard content.part == nil, content.isComplete, content.results.allSatisfy(\.isComplete) else {
      throw CardError(
        .unfinishedResult,
        Fault(
          file: path, expected: "a result of all windows",
          found: content.part.map { "part \($0)" as Wording } ?? "an interrupted run",
          remedy: "finish it, or join the parts (\(.join))"))
    }
    var (found, others) = (0, [String]())
    for result in content.results {
      if result.cache != "f32" {
        others.append("\(result.model) with a cache of \(result.cache)")
        continue
      }
      guard let index = try file(result.modelXXH64, result.model, path) else {
        others.append(result.model)
        continue
      }
      guard let perplexity = result.perplexity else { continue }
      found += 1
      try agree(QuantizedCard.Measurement(result, firstWindow: content.firstWindow), path)
      let loss = CardFile.Loss(
        result: path, perplexity: perplexity, ratio: result.comparison?.ratio,
        meanDivergence: result.comparison?.meanDivergence, sameTop: result.comparison?.sameTop,
        verdict: result.verdictText)
      if let earlier = files[index].loss { try Self.same(earlier, loss, files[index].name, path) }
      files[index].loss = loss
    }
    try finish(path, found, others: others)
  }

  private mutating func agree(_ other: QuantizedCard.Measurement, _ path: String) throws {
    guard let measurement else {
      measurement = other
      return
    }
    let differences = measurement.differences(from: other)
    guard differences.isEmpty else {
      throw CardError(
        .otherMeasurement,
        Fault(
          file: path, expected: "the text, windows, mode and base of the results before it",
          found: differences.count == 1 ? differences[0] : "other ones",
          problems: differences.count == 1 ? [] : differences,
          remedy: "measure all files in one run: pouch-perplexity --base BASE -m FILE -m FILE … --json"))
    }
  }

  /// Equal measurements give equal bits; others under one name are two files or two programs.
  private static func same(_ a: CardFile.Loss, _ b: CardFile.Loss, _ name: String, _ path: String) throws {
    guard a.perplexity == b.perplexity, a.meanDivergence == b.meanDivergence else {
      throw CardError(
        .otherMeasurement,
        Fault(
          file: path, subject: name, expected: "a perplexity of \(a.perplexity.value), as \(a.result) has",
          found: "\(b.perplexity.value)"))
    }
  }

  // MARK: - Drawings

  private mutating func add(_ content: ResultDocument.Drawings, _ path: String) throws {
    var (found, others) = (0, [String]())
    var labels: [Int: String] = [:]
    for model in content.models where model.kind == .tested {
      if let cache = model.cache, cache != "f32" {
        others.append("\(model.source) with a cache of \(cache)")
        continue
      }
      guard let index = try file(model.modelXXH64, model.source, path) else {
        others.append(model.source)
        continue
      }
      found += 1
      labels[index] = model.label
      files[index].drawings = CardFile.Drawings(
        result: path, label: model.label, verdict: model.forced?.verdict.rawValue,
        divergence: model.forced?.divergence, score: model.paired?.score, identical: model.paired?.identical,
        answers: model.answers)
    }
    try finish(path, found, others: others)
    var other = QuantizedCard.DrawingMeasurement(content)
    // The same prompts may lie elsewhere.
    if let drawing { (other.promptFiles, other.baseName) = (drawing.promptFiles, drawing.baseName) }
    if let drawing, drawing != other {
      throw CardError(
        .otherMeasurement,
        Fault(
          file: path, expected: "the prompts, mode, score and base of the results before it",
          found: "other ones",
          remedy: "draw with all files in one run: pouch-svg-eval --base BASE -m FILE -m FILE …"))
    }
    drawing = other
    drawn.append((content, path, labels))
  }
}
