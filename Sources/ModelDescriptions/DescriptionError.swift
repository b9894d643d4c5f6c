public import FileBytes

/// What is wrong with a checkpoint's configuration or its list of tensors.
public struct DescriptionError: FaultError, Hashable {
  /// The kind of failure.
  public enum Code: Hashable, Sendable {
    /// A configuration key is missing, of the wrong type or out of range.
    case invalidConfig
    /// A family, or a variant of a family, that is not supported yet.
    case notSupported
    /// The tensors are not those that the configuration calls for.
    case tensorMismatch
    /// Signs of how values are stored contradict each other.
    case contradiction
    /// Metadata of a GGUF lacks a key or has an impossible value.
    case invalidMetadata
  }

  /// The kind, for comparison in code and tests.
  public var code: Code
  /// The message.
  public var fault: Fault
  /// Every single problem, for `tensorMismatch`.
  package var problems: [TensorProblem]

  /// Creates an error.
  package init(_ code: Code, _ fault: Fault, problems: [TensorProblem] = []) {
    self.code = code
    self.fault = fault
    self.problems = problems
  }

  /// All of them are the input's fault.
  public var faultClass: FaultClass { .rejected }
}

/// One thing that is wrong with a list of tensors.
package enum TensorProblem: Hashable, Sendable {
  /// A tensor that the family does not have; `nearest` is a similar name that it has.
  case unknown(name: String, nearest: String?)
  /// A tensor that the family needs.
  case missing(name: String)
  /// Two tensors that mean the same after prefixes are removed.
  case duplicate(name: String)
  /// A tensor whose shape contradicts the configuration.
  case shape(name: String, found: [Int], expected: [Int])
  /// A tensor stored as something that cannot be read as weights.
  case elementType(name: String, found: String)
  /// As many experts as there should be, with numbers from before others were taken out; `prefix` starts their names.
  case expertNumbers(prefix: String, numbers: [Int])
  /// A weight stored as codes that has no scale; `scale` is the name it would have.
  case scaleMissing(name: String, scale: String, elementType: String)
  /// A weight stored in 16 or more bits that has a scale all the same.
  case scaleLeftOver(name: String, scale: String, elementType: String)
  /// Codes of a few bits whose columns would become rows.
  case packedColumns(name: String)

  private static let endingsOfScales = [
    "_scale_inv", ".weight_scale", ".weight_scale_2", ".weight_global_scale", "_proj_scales",
  ]

  /// The problem as one line.
  package var summary: String {
    switch self {
    case .unknown(let name, nil) where Self.endingsOfScales.contains(where: name.hasSuffix):
      name + " is the scale of a weight that is not there or has no use for it"
    case .unknown(let name, let nearest):
      name + " is unknown" + (nearest.map { " (did you mean \($0)?)" } ?? "")
    case .missing(let name): name + " is missing"
    case .duplicate(let name): name + " is there twice"
    case .shape(let name, let found, let expected): "\(name) is \(found), should be \(expected)"
    case .scaleMissing(let name, let scale, let type):
      "\(name) is stored as \(type), and its scale, \(scale), is missing"
    case .scaleLeftOver(let name, let scale, let type):
      "\(name) is stored as \(type), and a scale for codes, \(scale), is beside it"
    case .packedColumns(let name):
      "\(name) is packed, several values to a byte, and its columns would become rows, which is not supported"
    case .elementType(let name, let found): "\(name) is stored as \(found), which is no weight format"
    case .expertNumbers(let prefix, let numbers):
      "\(prefix)experts has \(numbers.count) experts with the numbers "
        + numbers.prefix(16).map { "\($0)" }.joined(separator: ", ") + (numbers.count > 16 ? ", …" : "")
        + " instead of 0 to \(numbers.count - 1)"
    }
  }
}
