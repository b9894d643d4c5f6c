internal import CheckpointConversion
internal import FileBytes
internal import ModelEvaluation
internal import ReferenceRuntime
internal import TensorCompute
internal import TensorTypes

/// Finds what every group loses with every type, measurement by measurement.
///
/// Each measurement has a key in a journal; those that an earlier run made are taken from there.
final class SensitivityRun {
  private let plan: TuningPlan
  private let runner: BranchRunner
  private let journal: SensitivityJournal
  private let quantizer: WeightQuantizer
  private let method: SensitivityTable.Method
  /// The type that gains are measured with.
  private let gainType: TensorType
  /// The kept windows that divergences are measured on; where gains are wanted, those that the survey chose.
  private var divergenceSlots: [Int]
  /// The kept windows that errors of branches are measured on.
  private let errorSlots: [Int]
  private let options: SensitivityOptions
  private let onProgress: (_ done: Int, _ total: Int, _ note: String) throws -> Void
  private var done = 0
  private var gains: [SensitivityTable.Gain] = []

  init(
    _ plan: TuningPlan, _ runner: BranchRunner, _ journal: SensitivityJournal, options: SensitivityOptions,
    onProgress: @escaping (_ done: Int, _ total: Int, _ note: String) throws -> Void
  ) {
    self.plan = plan
    self.runner = runner
    self.journal = journal
    self.onProgress = onProgress
    self.options = options
    method = options.method
    quantizer = WeightQuantizer(
      plan: plan, threadCount: max(1, options.threads ?? Processor.threadCount))
    gainType = Self.gainType(plan.types)
    let all = Array(0..<runner.kept.count)
    divergenceSlots = all
    errorSlots = Self.errorSlots(all, windows: runner.windows.count)
  }

  /// The type nearest to 3.5 bits: errors large enough to stand out of rounding, and small enough that divergence still grows
  /// with their square.
  static func gainType(_ types: [TensorType]) -> TensorType {
    types.min { abs($0.bitsPerWeight - 3.5) < abs($1.bitsPerWeight - 3.5) } ?? .q4_K
  }

  /// A thirty-second of the windows, at least two, spread over those that are kept.
  private static func errorSlots(_ all: [Int], windows: Int) -> [Int] {
    let count = min(all.count, max(2, windows / 32))
    return (0..<count).map { all[$0 * all.count / count] }
  }

  /// The windows whose streams are kept: all where divergences are measured; else every other one, which a survey goes through.
  static func keptWindows(_ count: Int, options: SensitivityOptions) -> [Int] {
    guard options.method != .measured else { return Array(0..<count) }
    let kept = min(count, max(16, count / 2, options.gainWindows ?? 0))
    return (0..<kept).map { $0 * count / kept }
  }

  /// The type nearest to 4.5 bits, at which all groups together are measured.
  private var surveyType: TensorType {
    plan.types.min { abs($0.bitsPerWeight - 4.5) < abs($1.bitsPerWeight - 4.5) } ?? .q4_K
  }

  /// Measures everything that is not in the journal.
  ///
  /// - Returns: The rows with their divergences, and the gains.
  /// - Throws: What measuring throws, and what `onProgress` throws.
  func rows() throws -> (rows: [SensitivityTable.Row], gains: [SensitivityTable.Gain]) {
    var rows = plan.rows
    let total = stepCount
    let whole = method == .measured ? nil : try survey(total)
    for index in rows.indices where rows[index].isMeasured {
      try measure(&rows[index], total)
    }
    if let whole { scale(&rows, to: whole) }
    return (rows, gains)
  }

  /// Measures the divergence with all groups at one type, and chooses the windows for gains.
  ///
  /// Most of a text's divergence is in few of its windows, and gains of others are too low by any factor. So gains are measured on
  /// the windows that lose most, as many as make the runs for gains cost about half a pass of the text, at least 4; and all
  /// divergences are scaled by one number so that those of the survey's type add up to what the survey found, which makes up for the
  /// choice of windows and for what does not add up.
  ///
  /// - Returns: The mean divergence over the windows of the survey.
  private func survey(_ total: Int) throws -> Double {
    let type = surveyType
    try onProgress(done, total, "all groups, \(type.name)")
    let measured = plan.rows.filter(\.isMeasured).map(\.group)
    let windows = try known("whole \(type.name)") {
      let ends = measured.filter { $0.layer == nil }
      let form = try ends.isEmpty ? runner.model : form(ends, type)
      var current: (layer: Int, form: LoadedModel)?
      return try runner.divergences(from: -1, slots: divergenceSlots, output: form) { half in
        let layer = half / 2
        if let current, current.layer == layer { return current.form }
        let groups = measured.filter { $0.layer == layer }
        let form = try groups.isEmpty ? self.runner.model : self.form(groups, type)
        current = (layer, form)
        return form
      }
    }
    let count = min(
      windows.count, options.gainWindows ?? max(4, runner.windows.count / max(1, runner.halfCount)))
    let order = windows.indices.sorted { (windows[$1], $0) < (windows[$0], $1) }
    divergenceSlots = order.prefix(count).map { divergenceSlots[$0] }.sorted()
    return windows.mean
  }

  /// Scales all divergences so that those of the survey's type add up to what was measured of all groups together.
  private func scale(_ rows: inout [SensitivityTable.Row], to whole: Double) {
    let type = surveyType
    let sum = rows.filter(\.isMeasured).reduce(0) { sum, row in
      // A type whose substitutes are those of another candidate is not listed.
      let candidate =
        row.candidates.first { $0.type == type }
        ?? row.candidates.last { $0.type.bitsPerWeight <= type.bitsPerWeight } ?? row.candidates[0]
      return sum + max(0, candidate.rawDivergence)
    }
    guard whole > 0, sum > 0 else { return }
    let factor = whole / sum
    for row in rows.indices {
      for index in rows[row].candidates.indices {
        let candidate = rows[row].candidates[index]
        rows[row].candidates[index].set(divergence: factor * candidate.rawDivergence)
        rows[row].candidates[index].standardError = candidate.standardError.map { factor * $0 }
      }
    }
    for index in gains.indices { gains[index].gain *= factor }
  }

  /// Measurements in all.
  private var stepCount: Int {
    plan.rows.filter(\.isMeasured).reduce(0) { $0 + $1.candidates.count }
  }

  /// The branch that a group is part of; -1 for the embedding, one beyond the last for the output matrix.
  private func half(of group: TuningGroup) -> Int {
    guard let layer = group.layer else { return group.role == .output ? runner.halfCount : -1 }
    return 2 * layer + (group.role.branch == .mixer ? 0 : 1)
  }

  private func measure(_ row: inout SensitivityTable.Row, _ total: Int) throws {
    let half = half(of: row.group)
    // Only logits are made again for the output matrix, so that there is nothing to foretell.
    let isDirect = method == .measured || half == runner.halfCount
    let gain = isDirect ? 0 : try gain(of: row.group, half: half)
    for index in row.candidates.indices {
      let type = row.candidates[index].type
      try onProgress(done, total, "\(row.group.name), \(type.name)")
      defer { done += 1 }
      if isDirect {
        let windows = try divergences(row.group, type, half)
        row.candidates[index].set(divergence: windows.mean)
        row.candidates[index].standardError = windows.standardError
      } else {
        let error = try relativeError([row.group], type, half)
        row.candidates[index].set(divergence: gain * error)
        row.candidates[index].relativeError = error
      }
    }
  }

  // MARK: - Single measurements

  /// The divergence of each window with one group at a type.
  private func divergences(_ group: TuningGroup, _ type: TensorType, _ half: Int) throws -> [Double] {
    try known("divergence \(group.role.rawValue) \(group.layer ?? -1) \(type.name)") {
      let form = try form([group], type)
      return try runner.divergences(half: half, of: form, slots: divergenceSlots)
    }
  }

  /// The relative error that groups of one branch make together at a type.
  private func relativeError(_ groups: [TuningGroup], _ type: TensorType, _ half: Int) throws -> Double {
    let names = groups.map { "\($0.role.rawValue)" }.joined(separator: ",")
    let values = try known("error \(method.rawValue) \(names) \(groups[0].layer ?? -1) \(type.name)") {
      guard method == .local else { return [try weightError(groups, type)] }
      if half >= 0 { try runner.hold(half / 2) }
      return [try runner.relativeError(half: half, of: try form(groups, type), slots: errorSlots)]
    }
    return values.first ?? 0
  }

  /// The divergence for each unit of relative error, of a branch or, where errors are those of weights, of a group.
  private func gain(of group: TuningGroup, half: Int) throws -> Double {
    let groups =
      method == .weights || half < 0
      ? [group] : plan.rows.filter { $0.isMeasured && self.half(of: $0.group) == half }.map(\.group)
    let names = groups.map { "\($0.role.rawValue)" }.joined(separator: ",")
    let windows = try known("gain \(names) \(group.layer ?? -1) \(gainType.name)") {
      try runner.divergences(half: half, of: try form(groups, gainType), slots: divergenceSlots)
    }
    let error = try relativeError(groups, gainType, half)
    let gain = error > 0 ? max(0, windows.mean) / error : 0
    gains.append(
      SensitivityTable.Gain(role: group.role, layer: group.layer, gain: gain, type: gainType.name))
    return gain
  }

  private func known(_ key: String, _ measure: () throws -> [Double]) throws -> [Double] {
    if let values = journal[key] { return values }
    let values = try measure()
    try journal.add(key, values)
    return values
  }

  /// The model with some groups, all of one layer or none, at a type.
  private func form(_ groups: [TuningGroup], _ type: TensorType) throws -> LoadedModel {
    if let layer = groups[0].layer { try runner.hold(layer) }
    return try runner.model.replacing(layer: groups[0].layer, Set(groups.flatMap(\.tensors))) {
      try quantizer.quantized($0, to: type)
    }
  }

  /// The squared error of weights relative to their squares, each column weighed by its importance; the mean of a group's tensors,
  /// by their weights.
  private func weightError(_ groups: [TuningGroup], _ type: TensorType) throws -> Double {
    var sums: [String: WeightError] = [:]
    let names = Set(groups.flatMap(\.tensors))
    if let layer = groups[0].layer { try runner.hold(layer) }
    _ = try runner.model.replacing(layer: groups[0].layer, names) { matrix in
      let new = try quantizer.quantized(matrix, to: type)
      let importance = try plan.importance(of: matrix.name, type: type, matrix: matrix.index ?? 0)
      sums[matrix.name, default: WeightError()].add(matrix.weights, new, importance)
      return matrix.weights
    }
    let ordered = sums.sorted { $0.key < $1.key }.map(\.value)
    let weights = ordered.reduce(0.0) { $0 + $1.weights }
    return weights > 0 ? ordered.reduce(0.0) { $0 + $1.relative * $1.weights } / weights : 0
  }
}

extension SensitivityTable.Candidate {
  /// Sets the divergence as it was found.
  fileprivate mutating func set(divergence: Double) {
    self.divergence = divergence
    rawDivergence = divergence
  }
}

extension [Double] {
  /// The mean; 0 of nothing.
  var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }

  /// The standard error of the mean; `nil` for fewer than two values.
  var standardError: Double? {
    guard count > 1 else { return nil }
    let mean = mean
    let squares = reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(count - 1) / Double(count)).squareRoot()
  }
}
