package import TensorTypes

/// The mix that was found for a budget.
package struct TunedMix: Hashable, Sendable {
  /// What was asked for.
  package enum Budget: Hashable, Sendable {
    /// Bytes of the file at most.
    case size(Int)
    /// Bits per weight at most: bits of all tensors over the weights of all tensors.
    case bitsPerWeight(Double)
    /// Bytes of memory at most, for weights, caches and buffers at a context of so many tokens.
    case memory(Int, contextLength: Int)
    /// The smallest file whose predicted divergence is at most so many nats per token.
    case divergence(Double)
  }

  /// A divergence that was measured, on text that had no part in the choice.
  package struct Actual: Hashable, Sendable, Codable {
    /// Mean KL divergence in nats per token.
    package var divergence: Double
    /// The 95 % interval over windows; `nil` for too few windows.
    package var low: Double?
    /// See ``low``.
    package var high: Double?
    /// Windows that it was measured on.
    package var windows: Int

    /// Creates a measurement.
    package init(divergence: Double, low: Double? = nil, high: Double? = nil, windows: Int) {
      self.divergence = divergence
      self.low = low
      self.high = high
      self.windows = windows
    }
  }

  /// The budget.
  package var budget: Budget
  /// For each row of the table, the index of the candidate that it gets.
  package var choices: [Int]
  /// Bytes of the file as planned, header included: the size that converting gives.
  package var fileByteCount: Int
  /// Bits of all tensors over the weights of all tensors, as `pouch-convert` prints it.
  package var bitsPerWeight: Double
  /// The sum of the divergences of all choices.
  package var predictedDivergence: Double
  /// No mix within the budget is predicted to lose less.
  package var lowerBound: Double
  /// Whether ``predictedDivergence`` is the least there is.
  package var isOptimal: Bool
  /// What the converted file lost; `nil` before it was measured.
  package var actual: Actual?

  /// Creates a mix.
  package init(
    budget: Budget, choices: [Int], fileByteCount: Int, bitsPerWeight: Double, predictedDivergence: Double,
    lowerBound: Double, isOptimal: Bool, actual: Actual? = nil
  ) {
    self.budget = budget
    self.choices = choices
    self.fileByteCount = fileByteCount
    self.bitsPerWeight = bitsPerWeight
    self.predictedDivergence = predictedDivergence
    self.lowerBound = lowerBound
    self.isOptimal = isOptimal
    self.actual = actual
  }

  /// The type that each row of a table gets, in order.
  ///
  /// - Parameter table: The table that the mix was solved from.
  /// - Returns: The types, as rules name them.
  package func types(in table: SensitivityTable) -> [TensorType] {
    zip(table.rows, choices).map { $0.candidates[$1].type }
  }
}

extension TunedMix.Budget: CustomStringConvertible {
  /// As it was asked for, such as `4.5 bits per weight`.
  package var description: String {
    switch self {
    case .size(let bytes): "\(bytes) bytes"
    case .bitsPerWeight(let bits): "\(bits) bits per weight"
    case .memory(let bytes, let context): "\(bytes) bytes of memory at a context of \(context)"
    case .divergence(let nats): "a divergence of \(nats)"
    }
  }
}
