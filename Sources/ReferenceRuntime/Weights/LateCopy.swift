internal import Synchronization

/// A copy of weights in another order or type, made when it is needed.
final class LateCopy: @unchecked Sendable {
  /// Where the copy is, or will be.
  let memory: ZeroedMemory
  /// What it is made of.
  let sources: [UnsafeRawBufferPointer]
  private let make: (UnsafeMutableRawBufferPointer) throws -> Void
  private let state = Mutex(false)

  /// Describes a copy.
  ///
  /// - Parameters:
  ///   - memory: Memory of its size.
  ///   - sources: What it is made of.
  ///   - make: Fills the memory.
  init(
    _ memory: ZeroedMemory, sources: [UnsafeRawBufferPointer],
    make: @escaping (UnsafeMutableRawBufferPointer) throws -> Void
  ) {
    self.memory = memory
    self.sources = sources
    self.make = make
  }

  /// Whether the copy is there.
  var isMade: Bool { state.withLock { $0 } }

  /// Makes the copy; false when it was there.
  func fill() throws -> Bool {
    try state.withLock { isMade in
      guard !isMade else { return false }
      try make(UnsafeMutableRawBufferPointer(start: memory.base, count: memory.byteCount))
      isMade = true
      return true
    }
  }

  /// Gives the memory back; false when there was no copy.
  func discard() -> Bool {
    state.withLock { isMade in
      guard isMade else { return false }
      memory.discard(0..<memory.byteCount)
      isMade = false
      return true
    }
  }
}

/// A late copy that its matrix keeps alive.
struct LateCopyReference: Sendable {
  weak let copy: LateCopy?
}

/// How weights that cannot be used where they lie are made late.
package struct LateWeights: Sendable {
  /// Tensors of compressed shards that are no larger are inflated when the model is opened, and stay.
  package var keptByteCount: Int

  /// Creates rules.
  package init(keptByteCount: Int) { self.keptByteCount = keptByteCount }

  /// Tensors that are read when a model is opened are smaller than what this keeps.
  static let ofLayers = LateWeights(keptByteCount: 256 << 10)
}
