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
      let weights = try stacks.map { try $0.weights() }
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
}
