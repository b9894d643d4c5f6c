internal import BlockQuantization
internal import FileBytes
internal import Synchronization

extension LoadedModel {
  /// Makes sure that tokens can be evaluated after `position` others.
  ///
  /// - Throws: ``RuntimeError`` with `emptyInput`, `tokenOutOfRange` or `contextOverflow`.
  func check(_ tokens: [Int32], position: Int, contextLength: Int) throws {
    guard !tokens.isEmpty else {
      throw RuntimeError(.emptyInput, Fault(file: source, expected: "at least one token", found: "none"))
    }
    let vocabulary = vocabularySize
    if let index = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabulary }) {
      throw RuntimeError(
        .tokenOutOfRange,
        Fault(
          file: source, subject: "token \(position + index)", expected: "an id from 0 to \(vocabulary - 1)",
          found: "\(tokens[index])", remedy: "use the tokenizer of this model"))
    }
    guard tokens.count <= contextLength - position else {
      throw RuntimeError(
        .contextOverflow,
        Fault(
          file: source, subject: "context", expected: "at most \(contextLength) tokens",
          found: "\(position + tokens.count)",
          remedy: "use a longer context (\(.contextLength)) or fewer tokens"))
    }
    if let limit = weights.lengthLimit, tokens.count > limit.tokenCount - position {
      throw RuntimeError(
        .contextOverflow,
        Fault(
          file: source, subject: "rotary embedding of type \(limit.scaling)",
          expected: "at most \(limit.tokenCount) tokens", found: "\(position + tokens.count)",
          remedy:
            "beyond them angles depend on the length of the text, which is not supported; use fewer tokens"))
    }
  }

  /// Makes sure that all values of rows are finite, the first of which is at a position.
  ///
  /// - Throws: ``RuntimeError`` with `nonFinite`.
  func checkFinite(_ rows: FloatRows, firstPosition: Int, what: String, _ context: BlockContext) throws {
    guard let index = rows.firstNonFinite(context.engine) else { return }
    throw RuntimeError(
      .nonFinite,
      Fault(
        file: source, subject: "position \(firstPosition + index / rows.width)",
        expected: "finite values in \(what)", found: "\(rows.base[index]) at \(index % rows.width)",
        remedy: "the weights are damaged, or an activation is out of range"))
  }

  /// Computes and hands out the logits of rows of the residual stream, at most so many at once that they stay small.
  ///
  /// - Parameters:
  ///   - stream: The rows.
  ///   - firstPosition: The position of the first one, for messages.
  ///   - piece: The most rows at once, at least 1.
  ///   - context: Computes.
  ///   - body: Receives the number of the first row and consecutive rows of logits, valid during the call alone.
  /// - Throws: ``RuntimeError`` with `nonFinite`, and what `body` throws.
  func emitLogits(
    _ stream: FloatRows, firstPosition: Int, piece: Int, _ context: BlockContext,
    _ body: (_ firstRow: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    var first = 0
    while first < stream.count {
      let last = min(first + piece, stream.count)
      let rows = try context.scratch("logits", last - first, vocabularySize)
      try ForwardPass.logits(stream.rows(first..<last), weights, into: rows, context)
      try checkFinite(rows, firstPosition: firstPosition + first, what: "the logits", context)
      try body(first, UnsafeBufferPointer(start: rows.base, count: rows.count * rows.width))
      first = last
    }
  }
}

extension FloatRows {
  /// Values that a worker looks through at a time.
  private static let pieceLength = 16384

  /// The index of the first NaN or infinity among all values, or `nil` when all are finite.
  fileprivate func firstNonFinite(_ engine: ProductEngine) -> Int? {
    let valueCount = count * width
    let first = Atomic<Int>(valueCount)
    engine.parallel((valueCount + Self.pieceLength - 1) / Self.pieceLength) { item, _ in
      let start = item * Self.pieceLength
      let piece = UnsafeBufferPointer(start: base + start, count: min(Self.pieceLength, valueCount - start))
      if let index = FloatConversion.firstNonFinite(piece) { first.min(start + index, ordering: .relaxed) }
    }
    let index = first.load(ordering: .relaxed)
    return index < valueCount ? index : nil
  }
}
