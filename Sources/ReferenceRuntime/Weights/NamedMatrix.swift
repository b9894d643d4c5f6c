internal import FileBytes
public import TensorCompute
internal import TensorTypes

/// A weight matrix with the GGUF name that observers know it under.
struct NamedMatrix: Sendable {
  /// The tensor's name.
  var name: String
  /// Where the weights lie.
  var weights: WeightMatrix

  /// Some of the rows, as a matrix of their own.
  func rows(_ range: Range<Int>) -> NamedMatrix {
    NamedMatrix(name: name, weights: weights.slice(rows: range))
  }
}

/// The matrices of all routed experts for one role.
public struct ExpertStack: Sendable {
  /// The GGUF name of the stack, such as `blk.0.ffn_gate_exps.weight`.
  public var name: String
  /// One matrix per expert, all of one shape and type; views into one file or several.
  public var experts: [WeightMatrix]
  /// All experts as one matrix, when they follow each other in memory.
  public var whole: WeightMatrix?

  /// Some of the rows of every expert.
  func rows(_ range: Range<Int>) -> ExpertStack {
    ExpertStack(name: name, experts: experts.map { $0.slice(rows: range) }, whole: nil)
  }
}
