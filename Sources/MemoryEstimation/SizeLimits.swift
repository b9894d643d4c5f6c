internal import FileBytes
internal import ModelDescriptions
internal import TensorTypes

/// Refuses configurations that no model has, before anything is built from them.
enum SizeLimits {
  /// Experts over all layers; the largest models have some 50,000.
  private static let expertsInAll = 1 << 18
  /// Layers; the deepest have 126.
  private static let layers = 1024
  /// Rows of a projection; the largest have some 50,000.
  private static let rows = 1 << 22
  /// Weights; the largest models have 2^41.
  private static let weights = 1 << 48

  /// Checks the numbers that lists are made from.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  static func check(_ model: HyperParameters, file: String) throws {
    try check("layers", model.blockCount, 1, most: layers, file: file)
    try check("attention heads", model.attention.headCount, model.attention.headDim, most: rows, file: file)
    if let net = model.linearAttention {
      try check("linear attention heads", net.valueHeadCount, net.valueDim, most: rows, file: file)
      try check("linear attention heads", net.keyHeadCount, net.keyDim, most: rows, file: file)
    }
    if let experts = model.experts {
      try check("experts in all layers", model.blockCount, experts.count, most: expertsInAll, file: file)
    }
  }

  /// Checks that all tensors together are of a size that exists.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  static func check(_ tensors: [SourceTensor], file: String) throws {
    var total = 0
    for tensor in tensors {
      var count = 1
      for extent in tensor.shape { count = try Checked.product(tensor.name, count, extent) }
      total = try Checked.sum(tensor.name, [total, count])
    }
    try check("weights", total, 1, most: weights, file: file)
  }

  private static func check(_ what: String, _ a: Int, _ b: Int, most: Int, file: String) throws {
    let (value, overflow) = a.multipliedReportingOverflow(by: b)
    guard overflow || value > most else { return }
    throw EstimationError(
      .overflow,
      Fault(
        file: file, subject: what, expected: "at most \(most)", found: b == 1 ? "\(a)" : "\(a) times \(b)",
        remedy: "check the configuration"))
  }
}
