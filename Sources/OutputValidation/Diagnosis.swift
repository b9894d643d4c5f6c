internal import BlockQuantization
internal import CheckpointConversion
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Finds out why a tensor does not hold what the source gives.
struct Diagnosis {
  let reader: ProbeReader
  let maker: HypothesisMaker
  let plan: ConversionPlan

  /// Rows of a matrix that a first look takes.
  private static let probeRows = 24
  /// A hypothesis holds when its error is below this multiple of that of quantizing, or below ``closeEnough``.
  private static let tolerance = 2.5
  private static let closeEnough = 0.02

  /// A tensor that does not match.
  struct Case {
    var pair: SourcePlan.Pair
    /// Matrices (experts) that do not match.
    var matrices: [Int]
    /// The number of matrices.
    var matrixCount: Int
    /// The relative error of quantizing.
    var expectedError: Double
    /// The cosine of file and source over all.
    var cosine: Double
    var relativeError: Double
    /// Σxy / Σxx.
    var slope: Double
  }

  /// Explains a mismatch.
  ///
  /// - Throws: Errors of reading.
  func explain(_ mismatch: Case) throws -> Finding {
    let planned = plan.tensors[mismatch.pair.planned]
    let name = planned.name
    func finding(_ hypothesis: Hypothesis) -> Finding {
      Finding(
        .error, hypothesis.kind, name, expected: "the values that the source gives", found: hypothesis.found,
        remedy: Hypothesis.remedy)
    }
    if mismatch.matrixCount > 1, mismatch.matrices.count < mismatch.matrixCount || mismatch.matrixCount > 1 {
      if let found = try permutedExperts(mismatch) { return found }
    }
    let limit = max(Self.tolerance * mismatch.expectedError, Self.closeEnough)
    let own = maker.ownHypotheses(mismatch.pair.planned)
    if let best = try best(of: own, mismatch, rows: probe(mismatch, count: Self.probeRows)),
      best.error <= limit
    {
      return finding(own[best.index])
    }
    // Most other tensors show in a few rows that they are not the one.
    let others = maker.otherTensors(mismatch.pair.planned)
    if let best = try best(of: others, mismatch, rows: probe(mismatch, count: 3)), best.error <= limit {
      var result = finding(others[best.index])
      if mismatch.matrixCount > 1, mismatch.matrices.count < mismatch.matrixCount {
        result.place =
          "expert" + (mismatch.matrices.count > 1 ? "s " : " ")
          + shortList(mismatch.matrices.map(String.init))
      }
      return result
    }
    return unexplained(mismatch, name)
  }

  private func unexplained(_ mismatch: Case, _ name: String) -> Finding {
    let place =
      mismatch.matrixCount > 1 && mismatch.matrices.count < mismatch.matrixCount
      ? "expert" + (mismatch.matrices.count > 1 ? "s " : " ") + shortList(mismatch.matrices.map(String.init))
      : ""
    if mismatch.cosine > 0.99, abs(mismatch.slope - 1) > 0.02 {
      return Finding(
        .error, .scaledValues, name, place: place, expected: "the values that the source gives",
        found: "\(figures(mismatch.slope)) times these values",
        remedy: "a scale was applied twice or not at all")
    }
    let numbers =
      "relative error \(figures(mismatch.relativeError)) where quantizing gives \(figures(mismatch.expectedError)), "
      + "cosine \(figures(mismatch.cosine))"
    if mismatch.cosine > 0.9 {
      return Finding(
        .error, .notFromSource, name, place: place, expected: "the values that the source gives",
        found: "similar ones: \(numbers)",
        remedy: "made from an already quantized model, or from a fine-tune or another revision of the source")
    }
    return Finding(
      .error, place.isEmpty ? .notFromSource : .expertMismatch, name, place: place,
      expected: "the values that the source gives", found: "other ones: \(numbers)",
      remedy: "the file was made from another model or was damaged")
  }

  /// Rows of the mismatching matrices, spread evenly.
  private func probe(_ mismatch: Case, count: Int) -> [Int] {
    let planned = plan.tensors[mismatch.pair.planned]
    let perMatrix = planned.rowsPerMatrix
    let matrices = mismatch.matrices.prefix(4)
    let each = max(1, min(perMatrix, count / max(1, matrices.count)))
    return matrices.flatMap { matrix in
      (0..<each).map { matrix * perMatrix + ($0 * perMatrix + perMatrix / 2) / each }
    }
  }

  private func best(of hypotheses: [Hypothesis], _ mismatch: Case, rows: [Int]) throws -> (
    index: Int, error: Double
  )? {
    guard !hypotheses.isEmpty else { return nil }
    var stored: [(row: Int, values: [Float])] = []
    for row in rows {
      if let values = try reader.stored(mismatch.pair.tensor, row: row) { stored.append((row, values)) }
    }
    guard !stored.isEmpty else { return nil }
    let planned = plan.tensors[mismatch.pair.planned]
    let shape = (rows: planned.rowsPerMatrix, columns: planned.rowLength)
    var wanted: Set<ProbeReader.Row> = []
    for hypothesis in hypotheses {
      for row in rows {
        for source in hypothesis.order.rows(in: row, shape: shape) {
          wanted.insert(.init(tensor: hypothesis.tensor, row: source))
        }
      }
    }
    let expected = try reader.expected(wanted)
    var best: (index: Int, error: Double)?
    for (index, hypothesis) in hypotheses.enumerated() {
      var sums = BlockChecks.Sums()
      for (row, values) in stored {
        let source = hypothesis.order.values(in: row, shape: shape) {
          expected[.init(tensor: hypothesis.tensor, row: $0)]
        }
        guard var x = source else { continue }
        if let change = hypothesis.change { x = x.map(change) }
        sums.add(ProbeReader.fit(x, values))
      }
      guard sums.xx > 0 else { continue }
      let error = sums.relativeError
      if error < best?.error ?? .infinity { best = (index, error) }
    }
    return best
  }

  /// Tells which expert of the source each mismatching expert of the file holds.
  private func permutedExperts(_ mismatch: Case) throws -> Finding? {
    let planned = plan.tensors[mismatch.pair.planned]
    let perMatrix = planned.rowsPerMatrix
    let local = perMatrix > 1 ? [perMatrix / 3, perMatrix * 2 / 3] : [0]
    var wanted: Set<ProbeReader.Row> = []
    for expert in 0..<mismatch.matrixCount {
      for row in local { wanted.insert(.init(tensor: mismatch.pair.planned, row: expert * perMatrix + row)) }
    }
    let expected = try reader.expected(wanted)
    func source(_ expert: Int) -> [Float] {
      local.flatMap { expected[.init(tensor: mismatch.pair.planned, row: expert * perMatrix + $0)] ?? [] }
    }
    let sources = (0..<mismatch.matrixCount).map(source)
    let limit = max(Self.tolerance * mismatch.expectedError, 0.05)
    var moved: [(expert: Int, holds: Int)] = []
    for expert in mismatch.matrices {
      var values: [Float] = []
      for row in local {
        values += try reader.stored(mismatch.pair.tensor, row: expert * perMatrix + row) ?? []
      }
      let fits = sources.enumerated().map {
        (index: $0.offset, error: ProbeReader.fit($0.element, values).relativeError)
      }
      guard let best = fits.min(by: { $0.error < $1.error }), best.error <= limit, best.index != expert else {
        continue
      }
      moved.append((expert, best.index))
    }
    guard !moved.isEmpty, moved.count * 2 >= mismatch.matrices.count else { return nil }
    let pairs = moved.filter { a in
      a.expert < a.holds && moved.contains { $0.expert == a.holds && $0.holds == a.expert }
    }
    let text: String
    if pairs.count * 2 == moved.count {
      text = "exchanged: " + shortList(pairs.map { "\($0.expert) and \($0.holds)" })
    } else {
      text = "in another order: " + shortList(moved.map { "\($0.expert) holds \($0.holds)" })
    }
    return Finding(
      .error, .swappedExperts, planned.name, place: "experts " + shortList(moved.map { "\($0.expert)" }),
      expected: "the experts in the source's order", found: "experts \(text)",
      remedy: "the router then sends tokens to the wrong experts; convert the model again")
  }
}
