/// What a causal convolution over few positions sees: rows of a batch, and before its parts what sequences remember.
struct ConvolutionInputs: Sendable {
  private let rows: FloatRows
  private let parts: [BatchPart]
  /// `[positions][width]` for each part, oldest first.
  private let histories: [FloatBuffer]
  /// The number of the part of each row.
  private let numbers: [Int]
  /// Values of an input: the first ones of a row.
  private let width: Int

  /// Brings rows and histories together.
  ///
  /// - Parameters:
  ///   - rows: The inputs of the batch's tokens, the first values of each row.
  ///   - parts: The parts of the batch.
  ///   - histories: The last inputs of each part's earlier tokens.
  ///   - width: Values of an input.
  init(_ rows: FloatRows, _ parts: [BatchPart], histories: [FloatBuffer], width: Int) {
    self.rows = rows
    self.parts = parts
    self.histories = histories
    self.width = width
    numbers = parts.indices.flatMap { Array(repeating: $0, count: parts[$0].rows.count) }
  }

  /// The input `offset` tokens after the first of a part; negative offsets are earlier batches.
  private func input(_ part: Int, _ offset: Int) -> UnsafeMutablePointer<Float> {
    if offset >= 0 { return rows.row(parts[part].rows.lowerBound + offset) }
    return histories[part].base + histories[part].count + offset * width
  }

  /// Fills in the inputs that a row's result is made of, its own the last.
  func select(_ row: Int, into inputs: UnsafeMutableBufferPointer<UnsafePointer<Float>?>) {
    let part = numbers[row]
    let offset = row - parts[part].rows.lowerBound
    for tap in inputs.indices {
      inputs[tap] = UnsafePointer(input(part, offset - (inputs.count - 1) + tap))
    }
  }

  /// Remembers the last inputs of each part.
  func keepLast() {
    for (number, part) in parts.enumerated() {
      let past = histories[number].count / max(width, 1)
      // Oldest first, so that a history row is read before it is overwritten.
      for row in 0..<past {
        (histories[number].base + row * width).update(
          from: input(number, part.rows.count - past + row), count: width)
      }
    }
  }
}
