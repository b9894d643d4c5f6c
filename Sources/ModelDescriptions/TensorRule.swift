internal import TensorTypes

/// What one checkpoint tensor must look like and what it becomes.
struct TensorRule: Sendable {
  /// The name after prefixes are removed.
  var source: String
  /// The row-major shapes that are accepted; they have the same values in the same order.
  var shapes: [[Int]]
  /// Whether a checkpoint may lack it.
  var isOptional = false
  /// Whether published checkpoints have it though others lack it.
  var isUsual = false
  /// The tensors it becomes, in order.
  var outputs: [RuleOutput]
  /// The matrix that a GGUF has all of them as; `nil` when they are kept apart.
  var joined: (name: String, slot: TensorSlot)?

  /// A tensor that becomes one output with the same values.
  init(
    _ source: String, _ target: String, _ shape: [Int], _ slot: TensorSlot,
    operation: ValueOperation = .identity,
    columns: ColumnOrder = .identity, optional: Bool = false
  ) {
    self.source = source
    shapes = [shape]
    isOptional = optional
    outputs = [
      RuleOutput(
        target, slot, ggmlShape: shape.reversed(), runs: [.init(0, shape.dropLast().reduce(1, *))],
        columns: columns,
        operation: operation)
    ]
  }

  /// A tensor with outputs of its own making.
  init(_ source: String, shapes: [[Int]], optional: Bool = false, outputs: [RuleOutput]) {
    self.source = source
    self.shapes = shapes
    isOptional = optional
    self.outputs = outputs
  }
}

/// One output of a rule: rows of the source tensor, in terms of output rows.
struct RuleOutput: Sendable {
  /// Consecutive source rows.
  struct Rows: Sendable {
    var first: Int
    var count: Int
    var order: RowOrder

    init(_ first: Int, _ count: Int, order: RowOrder = .identity) {
      self.first = first
      self.count = count
      self.order = order
    }
  }

  var name: String
  var slot: TensorSlot
  var ggmlShape: [Int]
  var runs: [Rows]
  var columns: ColumnOrder
  var operation: ValueOperation

  init(
    _ name: String, _ slot: TensorSlot, ggmlShape: [Int], runs: [Rows], columns: ColumnOrder = .identity,
    operation: ValueOperation = .identity
  ) {
    self.name = name
    self.slot = slot
    self.ggmlShape = ggmlShape
    self.runs = runs
    self.columns = columns
    self.operation = operation
  }
}

/// The routed experts of a block, which checkpoints store in one of several layouts.
///
/// - per expert: `…experts.7.gate_proj.weight` `[width, hidden]` and so on;
/// - fused: `…experts.gate_up_proj` `[count, 2 * width, hidden]`, gate rows first, and `…experts.down_proj`
///   `[count, hidden, width]`, with or without `.weight`;
/// - stacked: `…switch_mlp.gate_proj.weight` (MLX) or `…experts.gate_proj` `[count, width, hidden]` and so on.
struct ExpertRule: Sendable {
  /// The three matrices of an expert.
  enum Role: String, CaseIterable, Sendable {
    case gate, up, down
  }

  /// The part of the names before `experts.` or `switch_mlp.`.
  var prefix: String
  /// The part of the outputs' names before `ffn_gate_exps.weight`.
  var target: String
  /// The name of each role's matrix.
  var names: [Role: String]
  /// The order in which the outputs of the per-expert layout are written.
  var order: [Role]
  var count: Int
  var width: Int
  var hidden: Int
  /// Whether checkpoints may hold all matrices of a role transposed; the shapes tell.
  var mayBeTransposed = false
  /// Whether the rows of gate and up projections take turns where a checkpoint holds both in one tensor, gate first.
  var alternatesGateAndUp = false
  /// Whether a GGUF has gate and up projections as one tensor, each expert's gate rows first.
  var joinsGateAndUp = false

  /// The row-major shape of one expert's matrix.
  func matrix(_ role: Role) -> [Int] { role == .down ? [hidden, width] : [width, hidden] }

  /// The name of the stack of all experts' gate and up projections after that of the block, where they are one tensor.
  static let joinedName = "ffn_gate_up_exps.weight"

  /// The name of that stack.
  var joinedOutput: String { target + Self.joinedName }

  /// The name of the stack of all experts' matrices.
  func output(_ role: Role) -> String { target + "ffn_\(role.rawValue)_exps.weight" }

  /// The slot of that stack.
  func slot(_ role: Role) -> TensorSlot {
    switch role {
    case .gate: .expertGate
    case .up: .expertUp
    case .down: .expertDown
    }
  }
}

/// The tensors of one block, or of the part outside all blocks.
struct BlockRules: Sendable {
  /// The number of the block in the output; `nil` outside.
  var block: Int?
  var rules: [TensorRule]
  var experts: ExpertRule?
}
