package import FileBytes
internal import ModelDescriptions
package import ModelEvaluation

/// What a model card says of quantized files, for people and programs.
package struct QuantizedCard: Codable, Sendable {
  /// How perplexity and divergence were measured.
  package struct Measurement: Codable, Hashable, Sendable {
    /// The text as it was given; absent when a base file had the tokens.
    package var text: String?
    /// A hash of the text.
    package var textXXH64: String?
    /// Tokens per window.
    package var windowLength: Int
    /// Windows.
    package var windows: Int
    /// Tokens from the start of one window to that of the next.
    package var windowStep: Int
    /// The number of the first window, from 1.
    package var firstWindow: Int
    /// Tokens that count.
    package var scoredTokens: Int
    /// exact or fast.
    package var mode: String
    /// The base as it was given; absent without one.
    package var base: String?
    /// The base's name: of its file, its folder or its repository.
    package var baseName: String?
    /// A hash that is the same for copies of the base.
    package var baseXXH64: String?
    /// The perplexity of the base.
    package var basePerplexity: Estimate?
  }

  /// How drawings were measured.
  package struct DrawingMeasurement: Codable, Hashable, Sendable {
    /// The files of prompts.
    package var promptFiles: [String]
    /// A hash of the prompts.
    package var promptsXXH64: String
    /// Prompts.
    package var prompts: Int
    /// The version of the score.
    package var scoreVersion: String
    /// exact or fast.
    package var mode: String
    /// The most tokens of an answer.
    package var tokenLimit: Int
    /// The base's name: of its file, its folder or its repository.
    package var baseName: String?
    /// A hash that is the same for copies of the base.
    package var baseXXH64: String?
  }

  /// A picture beside the card.
  package struct Picture: Codable, Hashable, Sendable {
    /// Its name, relative to the card.
    package var name: String
    /// What it shows: a file of the card, or `base`.
    package var model: String
    /// The prompt's id.
    package var promptID: String
    /// The prompt.
    package var prompt: String
    /// Its likeness with the base's drawing, 0 to 1; absent for the base.
    package var score: Double?
    /// Where it is copied from.
    var source: String
  }

  /// What the files were made from.
  package var origin: CardOrigin
  /// The name in the heading.
  package var title: String
  /// The architecture string.
  package var architecture: String
  /// Weights in all tensors.
  package var parameters: Int
  /// Weights that one token uses.
  package var activeParameters: Int
  /// The context that the model was made for.
  package var contextLength: Int?
  /// The files, the smallest first.
  package var files: [CardFile]
  /// How perplexity and divergence were measured; absent without results.
  package var measurement: Measurement?
  /// How drawings were measured; absent without results.
  package var drawing: DrawingMeasurement?
  /// The chart, relative to the card; absent with fewer than two measured files.
  package var chart: String?
  /// Drawings side by side.
  package var pictures: [Picture]
  /// What the user should know, none of it on the card.
  package var notices: [Wording]

  /// What a card is made of.
  package struct Request: Sendable {
    /// GGUF files (the first shard of a set) and folders for MLX.
    package var files: [String]
    /// Documents of `pouch-perplexity --json` and `pouch-svg-eval --json`.
    package var results: [String]
    /// The checkpoint that was quantized.
    package var checkpoint: String?
    /// `org/name` of it on the Hub.
    package var baseModel: String?
    /// Contexts for which memory is told.
    package var contexts = [8192, 32768]
    /// The most prompts whose drawings are shown.
    package var shownPrompts = 4

    /// Creates a request.
    package init(files: [String], results: [String] = [], checkpoint: String? = nil, baseModel: String? = nil)
    {
      self.files = files
      self.results = results
      self.checkpoint = checkpoint
      self.baseModel = baseModel
    }
  }

  /// Reads files and results.
  ///
  /// - Parameters:
  ///   - request: What is read.
  ///   - onProgress: Called with bytes hashed, and bytes in all.
  ///   - isCancelled: Asked a few times a second.
  /// - Throws: ``CardError``, and the errors of readers, before anything is hashed where something is wrong.
  package init(
    _ request: Request, onProgress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws {
    if let baseModel = request.baseModel { try CardOrigin.checkBaseModel(baseModel) }
    let documents = try request.results.map { try ResultDocument(path: $0) }
    self = try withoutActuallyEscaping(onProgress) { onProgress in
      try withoutActuallyEscaping(isCancelled) { isCancelled in
        try Self(request, documents, onProgress, isCancelled)
      }
    }
  }

  private init(
    _ request: Request, _ documents: [ResultDocument], _ onProgress: @escaping (Int, Int) -> Void,
    _ isCancelled: @escaping () -> Bool
  ) throws {
    let reader = FileReader(contexts: request.contexts, onProgress: onProgress, isCancelled: isCancelled)
    var read = try reader.read(request.files)
    let measured = try MeasuredResults(read.map(\.card), documents)
    guard let first = read.first(where: { $0.facts != nil }), let facts = first.facts else {
      preconditionFailure("a card has a file of a language model")
    }
    var origin = CardOrigin()
    var originNotices: [String] = []
    if let path = request.checkpoint {
      try Self.check(checkpoint: path, first)
      origin = try CardOrigin(checkpoint: path, notices: &originNotices)
    }
    try reader.hash(&read)
    for file in read { origin = origin.completed(by: file.origin) }
    if let baseModel = request.baseModel { origin.baseModel = baseModel }
    originNotices += origin.checkLink()
    self.origin = origin
    title = origin.baseModel?.split(separator: "/").last.map(String.init) ?? origin.name ?? first.card.name
    architecture = facts.architecture
    parameters = read.map(\.parameters).max() ?? 0
    activeParameters = read.map(\.activeParameters).max() ?? 0
    contextLength = first.contextLength
    let order = read.indices.sorted {
      // Vision towers are below the language model's files.
      let (a, b) = (read[$0].card, read[$1].card)
      return (a.isVisionTower ? 1 : 0, a.bytes, a.name) < (b.isVisionTower ? 1 : 0, b.bytes, b.name)
    }
    files = order.map { index in
      var file = measured.files[index]
      file.parts = read[index].card.parts
      return file
    }
    measurement = measured.measurement
    drawing = measured.drawing
    notices = (originNotices + measured.notices).map { Wording($0) }
    chart = CardChart(files).isWorthDrawing ? CardChart.name : nil
    let drawn = CardPictures(measured, order: order, limit: request.shownPrompts)
    pictures = drawn.pictures
    notices += drawn.notices.map { Wording($0) }
    if origin.baseModel == nil {
      notices.append(
        "the front matter has no base_model, so that the Hub does not link it: name it with \(.baseModel) org/name"
      )
    }
    if origin.license == nil {
      notices.append(
        "the front matter has no license: neither the files nor a README.md of the checkpoint name one")
    }
  }

  private static func check(checkpoint path: String, _ first: ReadFile) throws {
    guard FileSystem.kind(of: path) == .folder else {
      throw SourceRecognition.refusal(of: path, wanted: .checkpoint)
    }
    let facts = try FileReader.facts(ofCheckpoint: path)
    guard let wanted = first.facts, facts == wanted else {
      throw CardError(
        .otherModel,
        Fault(
          file: path, subject: "\(.checkpoint)",
          expected: "\(first.facts?.text ?? "none"), as \(first.path) has",
          found: "\(facts.text)"))
    }
    guard let stated = first.card.provenance?.configHash else { return }
    let hash = try CardOrigin.configHash(path)
    guard hash == stated else {
      throw CardError(
        .otherModel,
        Fault(
          file: path, subject: "\(.checkpoint)",
          expected: "a config.json of \(stated), from which \(first.path) was made", found: "\(hash)"))
    }
  }
}

extension QuantizedCard {
  /// The name of a base by its path; whether it is quantized is not known of it.
  fileprivate static func name(ofBase path: String) -> String {
    let folder = ModelFolder(path)
    return folder.hubRepository ?? folder.name
  }
}

extension QuantizedCard.Measurement {
  init(_ result: ResultDocument.Perplexity.Result, firstWindow: Int) {
    text = result.text
    textXXH64 = result.textXXH64
    windowLength = result.windowLength
    windows = result.windows
    windowStep = result.windowStep
    self.firstWindow = firstWindow
    scoredTokens = result.scoredTokens
    mode = result.mode
    base = result.comparison?.base
    baseName = base.map(QuantizedCard.name(ofBase:))
    baseXXH64 = result.comparison?.baseXXH64
    basePerplexity = result.comparison?.basePerplexity
  }

  /// How another measurement was made otherwise, one sentence each.
  func differences(from other: Self) -> [String] {
    func part(_ name: String, _ a: String, _ b: String) -> String? {
      a == b ? nil : "\(name) \(b), not \(a)"
    }
    return [
      part("text", textXXH64 ?? "unknown", other.textXXH64 ?? "unknown"),
      part("windows of", "\(windowLength) tokens", "\(other.windowLength) tokens"),
      part("windows:", "\(windows)", "\(other.windows)"),
      part("a step of", "\(windowStep)", "\(other.windowStep)"),
      part("first window", "\(firstWindow)", "\(other.firstWindow)"),
      part("mode", mode, other.mode), part("base", baseXXH64 ?? "none", other.baseXXH64 ?? "none"),
    ].compactMap(\.self)
  }
}

extension QuantizedCard.DrawingMeasurement {
  init(_ document: ResultDocument.Drawings) {
    promptFiles = document.promptFiles
    promptsXXH64 = document.promptsXXH64
    prompts = document.prompts.count
    scoreVersion = document.scoreVersion
    mode = document.mode
    tokenLimit = document.tokenLimit
    let base = document.models.first { $0.kind == .base }
    baseName = (base?.source).map(QuantizedCard.name(ofBase:))
    baseXXH64 = base?.modelXXH64
  }
}
