internal import Dispatch

/// Why generation ended.
public enum StopReason: String, Codable, Hashable, Sendable {
  /// A token that ends generation was drawn.
  case endOfGeneration
  /// As many tokens as asked for.
  case length
  /// The context is full.
  case contextFull
  /// The receiver of the tokens asked to stop.
  case interrupted
}

/// What a generation did, and how long it took.
public struct GenerationReport: Hashable, Sendable {
  /// The tokens drawn, without the one that ended generation.
  public var tokens: [Int32] = []
  /// Why it ended.
  public var stopReason = StopReason.length
  /// Tokens of the prompt.
  public var promptTokenCount = 0
  /// Seconds for the prompt.
  public var prefillSeconds = 0.0
  /// Tokens evaluated one by one after the prompt.
  public var decodedTokenCount = 0
  /// Seconds for them, drawing included.
  public var decodeSeconds = 0.0

  /// Prompt tokens per second.
  public var prefillTokensPerSecond: Double {
    prefillSeconds > 0 ? Double(promptTokenCount) / prefillSeconds : 0
  }
  /// Generated tokens per second.
  public var decodeTokensPerSecond: Double {
    decodeSeconds > 0 ? Double(decodedTokenCount) / decodeSeconds : 0
  }
}

/// Continues a prompt, token by token.
public struct TextGeneration: Sendable {
  /// How tokens are drawn.
  public var sampling: SamplingOptions
  /// The most tokens drawn; `nil` goes on until a stop token or the end of the context.
  public var tokenLimit: Int?
  /// Tokens that end generation.
  public var stopTokens: Set<Int32>

  /// Creates a generation.
  public init(sampling: SamplingOptions, tokenLimit: Int?, stopTokens: Set<Int32>) {
    self.sampling = sampling
    self.tokenLimit = tokenLimit
    self.stopTokens = stopTokens
  }

  /// Evaluates a prompt and draws tokens.
  ///
  /// - Parameters:
  ///   - prompt: At least one token; the penalties see it too.
  ///   - session: Where it goes; tokens evaluated before come before the prompt.
  ///   - promptLogits: Receives the logits of all prompt positions, if wanted, piece by piece.
  ///   - receive: Called with each token drawn; `false` stops.
  /// - Returns: What was drawn, and how long it took.
  /// - Throws: ``RuntimeError`` as ``Session/evaluate(tokens:logits:)``, and what the closures throw.
  public func run(
    prompt: [Int32], session: Session, promptLogits: ((UnsafeBufferPointer<Float>) throws -> Void)? = nil,
    receive: (Int32) throws -> Bool
  ) throws -> GenerationReport {
    var report = GenerationReport()
    var sampler = Sampler(options: sampling)
    for token in prompt { sampler.accept(token) }
    report.promptTokenCount = prompt.count
    let vocabulary = session.model.vocabularySize
    var last: [Float] = []
    let start = DispatchTime.now().uptimeNanoseconds
    try session.evaluate(tokens: prompt, logits: promptLogits == nil ? .last : .all) { _, rows in
      try promptLogits?(rows)
      last = Array(rows.suffix(vocabulary))
    }
    let decodeStart = DispatchTime.now().uptimeNanoseconds
    report.prefillSeconds = Double(decodeStart - start) / 1e9

    if let tokenLimit, tokenLimit <= 0 { return finish(&report, .length, decodeStart) }
    var token = sampler.sample(last)
    while true {
      if stopTokens.contains(token) { return finish(&report, .endOfGeneration, decodeStart) }
      sampler.accept(token)
      report.tokens.append(token)
      if try !receive(token) { return finish(&report, .interrupted, decodeStart) }
      if let tokenLimit, report.tokens.count >= tokenLimit { return finish(&report, .length, decodeStart) }
      if session.position >= session.contextLength { return finish(&report, .contextFull, decodeStart) }
      try session.evaluate(tokens: [token], logits: .last) { _, rows in token = sampler.sample(rows) }
      report.decodedTokenCount += 1
    }
  }

  private func finish(_ report: inout GenerationReport, _ reason: StopReason, _ start: UInt64)
    -> GenerationReport
  {
    report.stopReason = reason
    report.decodeSeconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    return report
  }
}
