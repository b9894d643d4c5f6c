internal import TensorTypes

/// What a run saves since outputs have rows and searches in common.
///
/// A search is the choice of the block values that a quantized type stores weights with; copies and 16-bit outputs need
/// none.
package struct Sharing: Hashable, Sendable, Codable {
  /// Weights that are searched, once for every type that they are stored with.
  package var searchedWeights = 0
  /// Weights that runs for each output alone would search.
  package var wantedWeights = 0
  /// Bytes that are read of the source's tensors.
  package var readBytes = 0
  /// Bytes that runs for each output alone would read.
  package var wantedBytes = 0

  /// Adds up tiles.
  init(_ tiles: [Tile], of work: WorkUnion) {
    for tile in tiles {
      let tensor = work.tensors[tile.tensor]
      let weightCount = tile.rowCount * tensor.common.rowLength
      var outputs: Set<Int> = []
      for demand in tile.demands {
        outputs.formUnion(demand.targets.map(\.output))
        guard work.isSearched(tensor.forms[demand.form], tile) else { continue }
        searchedWeights += weightCount
        wantedWeights += weightCount * demand.targets.count
      }
      let byteCount = tile.sourceByteCount + (tile.scales?.byteCount ?? 0)
      readBytes += byteCount
      wantedBytes += byteCount * outputs.count
    }
  }
}

extension WorkUnion {
  /// Whether block values are chosen for a form of a tile, as opposed to bytes that are copied.
  func isSearched(_ form: Form, _ tile: Tile) -> Bool {
    guard form.planned.isQuantized, case .feed(let feed) = form.planned.content else { return false }
    return sources[feed.runs[tile.run].source].encoding != .block(form.planned.type)
      || form.planned.groups != nil
  }
}
