internal import ImportanceData

/// Rows of a tile whose weights all became zeros.
struct RowLosses: Hashable, Sendable {
  /// Rows that hold other values in the source.
  var lost = 0
  /// Rows that hold zeros in the source, too.
  var empty = 0
  /// The largest magnitude in the lost rows of the source.
  var largest: Float = 0

  /// Whether all rows have a weight other than zero.
  var isNone: Bool { lost == 0 && empty == 0 }

  static func += (sum: inout RowLosses, other: RowLosses) {
    sum.lost += other.lost
    sum.empty += other.empty
    sum.largest = max(sum.largest, other.largest)
  }
}

/// What a run made zeros of although the source holds other values.
public struct LostWeights: Hashable, Sendable, Codable {
  /// The tensor.
  public var tensor: String
  /// The type it is stored with.
  public var type: String
  /// Rows that became zeros.
  public var rows: Int
  /// Rows of the source that hold more than zeros.
  public var rowsWithValues: Int
  /// Experts of which nothing is left; empty for tensors of one matrix.
  public var experts: [Int]
  /// Experts of the tensor, or 1.
  public var expertCount: Int
  /// The largest magnitude in these rows of the source.
  public var largest: Float
  /// Whether importance data took part.
  public var withImportance: Bool

  /// Whether nothing is left of the tensor.
  public var isWhole: Bool { rows == rowsWithValues }

  /// The words for a note: what was lost, and why.
  public var text: String {
    let what: String
    if isWhole {
      what = "all weights"
    } else if !experts.isEmpty {
      what =
        "expert\(experts.count > 1 ? "s" : "") \(LayerCoverage.list(experts)) of \(expertCount)"
        + (hasOtherRows ? " and other rows" : "")
        + ", \(rows) of \(rowsWithValues) rows,"
    } else {
      what = "\(rows) of \(rowsWithValues) rows"
    }
    // Scales of f16 end at 6e-8; the finest type divides them by 127.
    let isSmall = largest < 1e-5
    let why =
      isSmall || !withImportance
      ? "too small for \(type)" : "the importance data give them no weight"
    return "\(what) became zeros as \(type); the largest of these weights is \(largest): \(why)"
  }

  /// The loss as a notice about its tensor.
  package var notice: ConversionPlan.Notice { ConversionPlan.Notice(subject: tensor, text: text) }

  /// Whether rows of experts that are partly left are lost, too.
  private var hasOtherRows: Bool { rows > experts.count * (rowsWithValues / max(1, expertCount)) }
}

extension RowLosses {
  /// Bits of a journal record: both counts, and the largest magnitude.
  var words: (counts: UInt64, largest: UInt64) {
    (UInt64(UInt32(clamping: lost)) << 32 | UInt64(UInt32(clamping: empty)), UInt64(largest.bitPattern))
  }

  /// Reads such bits.
  init(counts: UInt64, largest: UInt64) {
    lost = Int(counts >> 32)
    empty = Int(counts & 0xFFFF_FFFF)
    self.largest = Float(bitPattern: UInt32(truncatingIfNeeded: largest))
  }
}
