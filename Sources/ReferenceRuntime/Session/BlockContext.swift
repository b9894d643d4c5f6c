internal import BlockQuantization
internal import CRuntimeKernels
internal import FileBytes
internal import ModelDescriptions
internal import TensorCompute

/// What all blocks of a forward pass share: compute, scratch memory, positions, taps.
final class BlockContext: ScratchSource {
  /// The epsilon of norms.
  let normEpsilon: Float
  /// The function on gates of feed-forward networks.
  let gating: Gating
  /// Matrix products and workers.
  let engine: ProductEngine
  /// The level of the inner loops.
  let level: Int32
  /// Who watches, if anyone.
  weak var observer: (any TapObserver)?
  /// Whose rows the batch has, sequence by sequence in ascending order; empty outside of groups.
  var members: [GroupMember] = []
  /// Makes experts of the layer ready that rows have chosen; `nil` where all are.
  var prepareExperts: ((_ experts: [Int]) throws -> Void)?
  /// What the batch is made of, sequence by sequence.
  private(set) var parts: [BatchPart] = []
  /// The position of each row of the batch.
  private(set) var positions: [Int] = []
  /// Cosines and sines of the batch's positions, for each kind of rotary embedding in the model.
  private(set) var rotations: [RotationTable]

  private var buffers: [String: FloatBuffer] = [:]

  /// Prepares what a session of a model needs.
  init(
    _ model: LoadedModel, contextLength: Int, mode: ComputeMode, threads: Int?, level: Int32,
    matrixLevel: KernelLevel
  ) {
    guard let gating = Gating(model.architecture.activation) else {
      preconditionFailure("a model with another activation is refused when it is opened")
    }
    self.gating = gating
    normEpsilon = Float(model.architecture.normEpsilon)
    let pool = WorkerPool(threadCount: max(1, threads ?? Processor.threadCount))
    engine = ProductEngine(MatrixEngine(mode: mode, pool: pool, level: matrixLevel))
    self.level = level
    rotations = model.weights.rotations.map {
      RotationTable($0, factors: model.weights.rotaryFactors(of: $0, contextLength: contextLength))
    }
  }

  /// Takes a batch of tokens that follow each other, the first of which is at a position.
  func begin(firstPosition: Int, count: Int) {
    begin([BatchPart(rows: 0..<count, firstPosition: firstPosition)])
  }

  /// Takes a batch of tokens of several sequences, whose rows follow each other.
  func begin(_ parts: [BatchPart]) {
    self.parts = parts
    positions = parts.flatMap { $0.firstPosition..<($0.firstPosition + $0.rows.count) }
    guard let first = positions.min(), let last = positions.max() else { return }
    prepare(positions: first..<(last + 1))
  }

  /// Computes the angles of positions, unless they are there.
  func prepare(positions: Range<Int>) {
    for index in rotations.indices { rotations[index].prepare(positions) }
  }

  /// Scratch rows under a name.
  ///
  /// What they held before is undefined; the same name gives the same memory.
  func scratch(_ name: String, _ count: Int, _ width: Int) throws -> FloatRows {
    if let buffer = buffers[name], buffer.count >= count * width {
      return FloatRows(base: buffer.base, count: count, width: width)
    }
    // What grows with the context grows again: half as much more keeps that rare.
    let size = max(count * width, (buffers[name]?.count ?? 0) / 2 * 3)
    buffers[name] = nil
    let buffer = try FloatBuffer(count: size, purpose: "scratch memory for \(name)")
    buffers[name] = buffer
    return FloatRows(base: buffer.base, count: count, width: width)
  }

  /// Gives all scratch memory back.
  func releaseScratch() { buffers = [:] }

  /// Bytes of all scratch memory.
  var scratchByteCount: Int { buffers.values.reduce(0) { $0 + $1.count * 4 } }

  /// Multiplies and shows the input to the observer under each matrix's name, once where parts of one tensor share it.
  func multiply(_ input: FloatRows, _ products: Product...) throws { try multiply(input, products) }

  /// The same for a list.
  func multiply(_ input: FloatRows, _ products: [Product]) throws {
    if observer != nil {
      for (index, product) in products.enumerated()
      where !products[..<index].contains(where: { $0.matrix.name == product.matrix.name }) {
        tap(product.matrix.name, input)
      }
    }
    engine.multiply(input, products)
  }

  /// Shows rows of the batch to the observer, one per token, sequence by sequence.
  func tap(_ name: @autoclosure () -> String, _ rows: FloatRows) {
    guard let observer else { return }
    let name = name()
    guard observer.wants(name) else { return }
    for member in membersOrAll(rows.count) {
      show(name, rows.rows(member.rows), experts: nil, sequence: member.sequence, observer)
    }
  }

  /// Shows rows that were brought together for experts.
  func show(_ name: String, _ rows: FloatRows, experts: [Int]?, sequence: Int, _ observer: any TapObserver) {
    guard observer.wants(name) else { return }
    let values = UnsafeBufferPointer(start: rows.base, count: rows.count * rows.width)
    observer.observe(
      name,
      TapRows(
        values: values, rowCount: rows.count, rowLength: rows.width, experts: experts, sequence: sequence))
  }

  /// The members of a batch of `count` tokens.
  func membersOrAll(_ count: Int) -> [GroupMember] {
    members.isEmpty ? [GroupMember(sequence: 0, rows: 0..<count)] : members
  }

  /// `y += x`, row by row.
  func add(_ x: FloatRows, to y: FloatRows) {
    let level = level
    engine.parallel(x.count) { row, _ in crk_add(level, x.row(row), x.width, y.row(row)) }
  }

  /// `y += factor * x`, row by row.
  func add(_ x: FloatRows, times factor: Float, to y: FloatRows) {
    guard factor != 1 else { return add(x, to: y) }
    let level = level
    engine.parallel(x.count) { row, _ in crk_add_scaled(level, x.row(row), factor, x.width, y.row(row)) }
  }

  /// Multiplies every value.
  func scale(_ y: FloatRows, by factor: Float) {
    guard factor != 1 else { return }
    engine.parallel(y.count) { row, _ in
      let values = y.row(row)
      for index in 0..<y.width { values[index] *= factor }
    }
  }

  /// Adds a bias to every row.
  func add(_ bias: FloatBuffer?, to y: FloatRows) {
    guard let bias else { return }
    let level = level
    engine.parallel(y.count) { row, _ in crk_add(level, bias.base, y.width, y.row(row)) }
  }
}

/// Consecutive tokens of one sequence in a batch.
struct BatchPart: Sendable {
  /// Their rows.
  var rows: Range<Int>
  /// The position of the first one.
  var firstPosition: Int
}

/// The rows of one sequence in a batch of a group.
struct GroupMember {
  var sequence: Int
  var rows: Range<Int>
}
