internal import FileBytes
package import TensorCompute
internal import TensorTypes

/// A weight matrix with the GGUF name that observers know it under.
struct NamedMatrix: Sendable {
  /// The tensor's name in the file; that of the whole where it is part of another tensor.
  var name: String
  /// Where the weights lie.
  var weights: WeightMatrix
}

/// The matrices of all routed experts for one role.
package struct ExpertStack: Sendable {
  /// The GGUF name of the stack, such as `blk.0.ffn_gate_exps.weight`.
  package var name: String
  /// One matrix per expert, all of one shape and type; views into one file or several.
  package var experts: [WeightMatrix]
  /// All experts as one matrix, when they follow each other in memory.
  package var whole: WeightMatrix?

  /// Brings the matrices of a stack together.
  package init(name: String, experts: [WeightMatrix], whole: WeightMatrix?) {
    self.name = name
    self.experts = experts
    self.whole = whole
  }
}
