internal import BlockQuantization
internal import FileBytes
internal import TensorCompute
package import TensorTypes

/// The types that groups may get.
package enum CandidateTypes {
  /// The types that are tried when none are named: the K-quants and Q8_0, with IQ4_XS between Q3_K and Q4_K.
  package static let usual: [TensorType] = [.q2_K, .q3_K, .iq4_xs, .q4_K, .q5_K, .q6_K, .q8_0]

  /// The type of tensors that no text reaches.
  static let unreached = TensorType.q8_0

  /// Reads names of types.
  ///
  /// - Parameter names: The names, in any order.
  /// - Returns: The types by size, each once.
  /// - Throws: ``TuningError`` with `badType` for a name that is no type, or one that cannot be written or run.
  package static func types(named names: [String]) throws -> [TensorType] {
    let known = TensorType.allCases.filter {
      BlockQuantizer.canQuantize($0) && WeightMatrix.supportedTypes.contains($0) && $0 != .f32
    }
    let found = try names.map { name in
      guard let type = TensorType(name: name), known.contains(type) else {
        throw TuningError(
          .badType,
          Fault(
            subject: "type", expected: "one of " + known.map(\.name).joined(separator: ", "),
            found: "\"\(name)\""))
      }
      return type
    }
    return Set(found).sorted { ($0.bitsPerWeight, $0.rawValue) < ($1.bitsPerWeight, $1.rawValue) }
  }
}
