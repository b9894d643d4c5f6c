internal import CRuntimeKernels
internal import ModelDescriptions

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
  /// The position of the first token of the batch.
  var firstPosition = 0
  /// Cosines and sines of the batch's positions, for each kind of rotary embedding in the model.
  var rotations: [RotationTable]

  private var buffers: [String: FloatBuffer] = [:]

  init(
    _ architecture: Architecture, engine: ProductEngine, level: Int32, rotations: [RotationTable]
  ) {
    guard let gating = Gating(architecture.activation) else {
      preconditionFailure("a model with another activation is refused when it is opened")
    }
    self.gating = gating
    normEpsilon = Float(architecture.normEpsilon)
    self.engine = engine
    self.level = level
    self.rotations = rotations
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

  /// Shows rows to the observer.
  func tap(_ name: @autoclosure () -> String, _ rows: FloatRows, experts: @autoclosure () -> [Int]? = nil) {
    guard let observer else { return }
    let name = name()
    guard observer.wants(name) else { return }
    let values = UnsafeBufferPointer(start: rows.base, count: rows.count * rows.width)
    observer.observe(
      name, TapRows(values: values, rowCount: rows.count, rowLength: rows.width, experts: experts()))
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
