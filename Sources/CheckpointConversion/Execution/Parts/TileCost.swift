internal import TensorTypes

/// What tiles cost, so that parts of a run take equally long.
///
/// Nanoseconds of one core, as `pouch-bench quantize` measures them on x86-64 with AVX2; what counts is how they relate to
/// each other, and that is similar elsewhere. They decide who does what, never what comes out.
struct TileCost {
  private let work: WorkUnion

  /// Of a byte that is read: a disk or network of 2 GB/s.
  private static let perByte = 0.5

  init(_ work: WorkUnion) { self.work = work }

  /// The cost of reading a tile and making all that is wanted of it.
  func of(_ tile: Tile) -> Double {
    let tensor = work.tensors[tile.tensor]
    let weightCount = Double(tile.rowCount * tensor.common.rowLength)
    var sum = Self.perByte * Double(tile.sourceByteCount + (tile.scales?.byteCount ?? 0))
    for demand in tile.demands {
      let form = tensor.forms[demand.form]
      let byteCount = tile.rowCount * form.planned.rowByteCount
      // Every output's copy is written.
      sum += Self.perByte * Double(byteCount * demand.targets.count)
      if work.isSearched(form, tile) {
        sum += weightCount * Self.perWeight(form.planned.type, isWeighted: form.importance != nil)
      }
    }
    return sum
  }

  /// The cost of choosing the block values of a weight.
  private static func perWeight(_ type: TensorType, isWeighted: Bool) -> Double {
    switch type {
    case .q2_K: isWeighted ? 13 : 5.5
    case .q3_K: isWeighted ? 4.8 : 3.8
    case .q4_K: isWeighted ? 12 : 7.6
    case .q5_K: isWeighted ? 11.5 : 5.1
    case .q6_K: 4.3
    case .iq4_nl, .iq4_xs: 8
    case .q4_0: isWeighted ? 6 : 0.4
    case .q5_0: isWeighted ? 6.4 : 0.5
    case .q4_1: isWeighted ? 18 : 0.5
    case .q5_1: isWeighted ? 15 : 0.5
    case .mxfp4: 3.1
    default: 0.7
    }
  }
}
