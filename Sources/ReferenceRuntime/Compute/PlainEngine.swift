internal import Dispatch
internal import FileBytes
internal import Synchronization
internal import TensorCompute

/// Matrix products in plain loops: slow, easy to check, for f32, f16 and bf16 weights.
final class PlainEngine: ProductEngine {
  let workerCount: Int

  init(workerCount: Int) { self.workerCount = max(workerCount, 1) }

  func multiply(_ input: FloatRows, _ products: [Product]) throws {
    for product in products {
      let matrix = product.matrix.weights
      let weights = try floats(matrix)
      parallel(input.count) { row, _ in
        Self.multiply(input.row(row), weights, matrix.rows, matrix.columns, product.output.row(row))
      }
    }
  }

  func multiply(
    _ input: FloatRows, _ kind: ExpertInput, _ assignments: ExpertAssignments, _ products: [ExpertProduct]
  ) throws {
    for product in products {
      for (expert, matrix) in product.stack.experts.enumerated() where !assignments.slots(of: expert).isEmpty {
        let weights = try floats(matrix)
        for slot in assignments.slots(of: expert) {
          let row = kind == .slots ? Int(slot) : Int(slot) / assignments.usedPerToken
          Self.multiply(input.row(row), weights, matrix.rows, matrix.columns, product.output.row(Int(slot)))
        }
      }
    }
  }

  func decode(_ matrix: NamedMatrix, row: Int, into output: UnsafeMutablePointer<Float>) throws {
    for (index, value) in try floats(matrix.weights.slice(rows: row..<(row + 1))).enumerated() { output[index] = value }
  }

  func parallel(_ itemCount: Int, _ body: @Sendable (_ item: Int, _ worker: Int) -> Void) {
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: min(workerCount, itemCount)) { worker in
      while true {
        let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if item >= itemCount { break }
        body(item, worker)
      }
    }
  }

  private func floats(_ matrix: WeightMatrix) throws -> [Float] {
    try Dequantization.floats(
      matrix.bytes, type: matrix.type, count: matrix.rows * matrix.columns, name: "", source: "")
  }

  private static func multiply(
    _ x: UnsafeMutablePointer<Float>, _ weights: [Float], _ rows: Int, _ length: Int, _ y: UnsafeMutablePointer<Float>
  ) {
    weights.withUnsafeBufferPointer { w in
      for row in 0..<rows {
        var sum: Double = 0
        for index in 0..<length { sum += Double(w[row * length + index]) * Double(x[index]) }
        y[row] = Float(sum)
      }
    }
  }
}
