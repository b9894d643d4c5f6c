/// Which experts work on which rows, grouped by expert.
///
/// A slot is one (token, chosen expert) pair, numbered token-major: slot = token * used + k. The grouping is
/// a counting sort, so slots of one expert keep their order.
package struct ExpertAssignments: Sendable {
  /// The number of experts in a stack.
  package let expertCount: Int
  /// Experts used per token.
  package let usedPerToken: Int
  /// Slots sorted by expert.
  package let slots: [Int32]
  /// Where each expert's slots start in ``slots``; one more than there are experts.
  package let starts: [Int]

  /// Groups the routers' choices.
  ///
  /// - Parameters:
  ///   - expertCount: The number of experts, at least 1.
  ///   - usedPerToken: Experts used per token, at least 1.
  ///   - selected: The expert of each slot, tokens * usedPerToken, each in `0..<expertCount`.
  package init(expertCount: Int, usedPerToken: Int, selected: UnsafeBufferPointer<Int32>) {
    precondition(expertCount >= 1 && usedPerToken >= 1 && selected.count % usedPerToken == 0)
    var starts = [Int](repeating: 0, count: expertCount + 1)
    for expert in selected {
      precondition(expert >= 0 && Int(expert) < expertCount, "expert out of range")
      starts[Int(expert) + 1] += 1
    }
    for expert in 0..<expertCount { starts[expert + 1] += starts[expert] }
    var place = starts
    var slots = [Int32](repeating: 0, count: selected.count)
    for (slot, expert) in selected.enumerated() {
      slots[place[Int(expert)]] = Int32(slot)
      place[Int(expert)] += 1
    }
    self.expertCount = expertCount
    self.usedPerToken = usedPerToken
    self.slots = slots
    self.starts = starts
  }

  /// Groups the routers' choices given as an array.
  package init(expertCount: Int, usedPerToken: Int, selected: [Int32]) {
    self = selected.withUnsafeBufferPointer {
      ExpertAssignments(expertCount: expertCount, usedPerToken: usedPerToken, selected: $0)
    }
  }

  /// The slots of one expert, ascending.
  package func slots(of expert: Int) -> ArraySlice<Int32> { slots[starts[expert]..<starts[expert + 1]] }

  /// Goes through the experts that have slots, ascending, with those.
  func forEachUsed(_ body: (_ expert: Int, _ slots: UnsafeBufferPointer<Int32>) -> Void) {
    slots.withUnsafeBufferPointer { slots in
      starts.withUnsafeBufferPointer { starts in
        for expert in 0..<expertCount where starts[expert + 1] > starts[expert] {
          body(expert, UnsafeBufferPointer(rebasing: slots[starts[expert]..<starts[expert + 1]]))
        }
      }
    }
  }
}

/// What the rows of an expert product's input are.
package enum ExpertInput: Sendable {
  /// One row per token, read by every expert the token uses (gate and up projections).
  case tokens
  /// One row per slot (the down projection).
  case slots
}
