internal import Synchronization
package import TensorCompute

extension CheckpointTensorStore {
  /// Makes copies that are not there, inflates or fetches what weights lie in or are made of, and reads pages if
  /// `readsPages`.
  ///
  /// - Throws: ``RuntimeError`` with `nonFinite`; `FileError`, `ZstdError`, and what fetching throws.
  package func load(_ weights: [WeightMatrix], readsPages: Bool) throws {
    let copies = lateCopies(of: weights)
    let missing = copies.filter { !$0.isMade }
    for part in regions.parts(of: weights.map(\.bytes) + missing.flatMap(\.sources))
    where readsPages || !part.region.isThere {
      try part.region.load(part.ranges)
    }
    for copy in missing where try copy.fill() {
      materialized.add(copy.memory.byteCount, ordering: .relaxed)
    }
  }

  /// Gives back late copies, pages, and what was inflated or fetched.
  package func release(_ weights: [WeightMatrix]) {
    guard !isWhole.load(ordering: .relaxed) else { return }
    let copies = lateCopies(of: weights)
    for copy in copies where copy.discard() {
      materialized.subtract(copy.memory.byteCount, ordering: .relaxed)
    }
    for part in regions.parts(of: weights.map(\.bytes) + copies.flatMap(\.sources)) {
      part.region.release(part.ranges)
    }
  }

  /// Whether shards are inflated when weights are loaded.
  package var readsInOrder: Bool { regions.all.contains { $0 is LateShard } }

  /// The bytes of weights, and of what late copies are made of.
  package func footprint(of weights: [WeightMatrix]) -> WeightFootprint {
    let copies = lateCopies(of: weights)
    let parts = parts(of: weights)
    let pages = parts.reduce(0) { $0 + $1.byteCount }
    return WeightFootprint(
      memoryByteCount: pages + copies.reduce(0) { $0 + $1.memory.byteCount }, readByteCount: pages,
      inflatedByteCount: parts.reduce(0) { $0 + ($1.region.compressed == nil ? 0 : $1.byteCount) })
  }

  /// All values of a small tensor in f32, row by row; an outline has ones.
  ///
  /// - Throws: As ``matrix(_:)``.
  package func values(_ name: String) throws -> [Float] {
    isOutline ? outlineValues(name) : try decodedValues(name)
  }

  /// Where weights lie, and what late copies are made of.
  func parts(of weights: [WeightMatrix]) -> [WeightRegions.Part] {
    regions.parts(of: weights.map(\.bytes) + lateCopies(of: weights).flatMap(\.sources))
  }

  /// Makes everything that is late, for good.
  ///
  /// - Throws: As ``load(_:readsPages:)``.
  func makeWhole(_ weights: [WeightMatrix]) throws {
    guard isLate, !isWhole.exchange(true, ordering: .relaxed) else { return }
    do {
      try load(weights, readsPages: false)
    } catch {
      isWhole.store(false, ordering: .relaxed)
      throw error
    }
  }

  private func lateCopies(of weights: [WeightMatrix]) -> [LateCopy] {
    guard isLate else { return [] }
    return self.copies.withLock { copies in
      weights.compactMap { weights in weights.bytes.baseAddress.flatMap { copies[$0]?.copy } }
    }
  }
}
