import TensorCompute
import TensorTypes
import TestSupport
import Testing

@Suite("Expert products")
struct ExpertProductTests {
  @Test("Slots are grouped by expert in order")
  func grouping() {
    let grouped = ExpertAssignments(expertCount: 4, usedPerToken: 2, selected: [3, 0, 0, 2, 3, 2])
    #expect(grouped.starts == [0, 2, 2, 4, 6])
    #expect(grouped.slots == [1, 2, 3, 5, 0, 4])
    #expect(Array(grouped.slots(of: 3)) == [0, 4])
    #expect(grouped.slots(of: 1).isEmpty)
  }

  @Test("Grouped experts equal one product per token", arguments: ComputeMode.allCases, [1, 2, 40])
  func equality(mode: ComputeMode, tokens: Int) throws {
    let (experts, used, columns, rows) = (6, 3, 512, 20)
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 2))
    var random = SeededGenerator(seed: UInt64(tokens))
    var selected: [Int32] = []
    for _ in 0..<tokens { selected += Array((0..<Int32(experts)).shuffled(using: &random).prefix(used)) }
    let assignments = ExpertAssignments(expertCount: experts, usedPerToken: used, selected: selected)
    // Two stacks of different types share one call, as gate and up of a mixed file may.
    let stacks = [TensorType.q4_K, .q5_0].map {
      StoredMatrix($0, rows: experts * rows, columns: columns, seed: 77)
    }
    for input in [ExpertInput.tokens, .slots] {
      let inputRows = input == .tokens ? tokens : tokens * used
      let x = activations(inputRows, columns, seed: 78)
      var first = [Float](repeating: -7, count: tokens * used * rows)
      var second = first
      let weights = try stacks.map { stack in
        let whole = try stack.weights()
        return (0..<experts).map { whole.slice(rows: $0 * rows..<($0 + 1) * rows) }
      }
      try first.withUnsafeMutableBufferPointer { one in
        try second.withUnsafeMutableBufferPointer { two in
          try x.withUnsafeBufferPointer { from in
            engine.multiplyExperts(
              weights, assignments, x: try #require(from.baseAddress), input: input,
              into: [try #require(one.baseAddress), try #require(two.baseAddress)])
          }
        }
      }
      for (stack, found) in zip(stacks, [first, second]) {
        let rowBytes = stack.bytes.count / stack.rows
        for slot in 0..<tokens * used {
          let expert = Int(selected[slot])
          let one = StoredMatrix(
            type: stack.type, rows: rows, columns: columns,
            bytes: Array(stack.bytes[expert * rows * rowBytes..<(expert + 1) * rows * rowBytes]))
          let row = input == .tokens ? slot / used : slot
          let expected = try engine.product(one, Array(x[row * columns..<(row + 1) * columns]), tokens: 1)
          #expect(
            firstDifference(expected, Array(found[slot * rows..<(slot + 1) * rows])) == nil,
            "\(stack.type) slot \(slot)")
        }
      }
    }
  }

  @Test(
    "Matrices in turn equal one product per row, with strides", arguments: weightTypes, ComputeMode.allCases)
  func inTurn(type: TensorType, mode: ComputeMode) throws {
    let columns = type.blockLength == 1 ? 5 : type.blockLength
    let (count, rows, turns, xStride, yStride) = (3, 20, 7, columns + 6, 23)
    let engine = MatrixEngine(mode: mode, pool: WorkerPool(threadCount: 2))
    let stack = StoredMatrix(type, rows: count * rows, columns: columns, seed: 5)
    let weights = try stack.weights()
    let x = activations(count * turns, xStride, seed: 6)
    var y = [Float](repeating: -7, count: count * turns * yStride)
    try y.withUnsafeMutableBufferPointer { y in
      try x.withUnsafeBufferPointer { x in
        engine.multiplyInTurn(
          (0..<count).map { weights.slice(rows: ($0 * rows)..<(($0 + 1) * rows)) },
          x: try #require(x.baseAddress), rowCount: count * turns, xStride: xStride,
          into: try #require(y.baseAddress), yStride: yStride)
      }
    }
    let rowBytes = stack.bytes.count / stack.rows
    for row in 0..<count * turns {
      let first = row % count * rows
      let one = StoredMatrix(
        type: type, rows: rows, columns: columns,
        bytes: Array(stack.bytes[first * rowBytes..<(first + rows) * rowBytes]))
      let input = Array(x[row * xStride..<row * xStride + columns])
      let expected = try engine.product(one, input, tokens: 1) + [-7, -7, -7]
      #expect(
        firstDifference(expected, Array(y[row * yStride..<(row + 1) * yStride])) == nil, "\(type) row \(row)")
    }
  }
}
