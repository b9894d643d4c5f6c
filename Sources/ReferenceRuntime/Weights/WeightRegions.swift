internal import FileBytes
internal import TensorCompute

/// Bytes of a file that weights lie in: they can be made ready before they are used, and given back afterwards.
protocol WeightRegion: AnyObject, Sendable {
  /// All bytes; those that are not ready are read when they are touched, or are not there at all.
  var bytes: UnsafeRawBufferPointer { get }
  /// Whether bytes that were not loaded are read when they are touched; otherwise they are not there.
  var isThere: Bool { get }
  /// Makes bytes ready; `ranges` ascend and lie apart.
  func load(_ ranges: [Range<Int>]) throws
  /// Gives bytes back.
  func release(_ ranges: [Range<Int>])
  /// The file that bytes are inflated from; `nil` where they lie as they are.
  var compressed: CompressedShard? { get }
}

extension MappedFile: WeightRegion {
  var compressed: CompressedShard? { nil }
  var isThere: Bool { true }
  func load(_ ranges: [Range<Int>]) { readIn(ranges) }
  func release(_ ranges: [Range<Int>]) { for range in ranges { giveBack(range) } }
}

/// The regions of a model.
struct WeightRegions: Sendable {
  /// Bytes of one region.
  struct Part {
    var region: any WeightRegion
    /// Ascending, apart from each other.
    var ranges: [Range<Int>]

    var byteCount: Int { ranges.reduce(0) { $0 + $1.count } }
  }

  /// All regions.
  var all: [any WeightRegion] { regions }

  /// By address.
  private let regions: [any WeightRegion]

  init(_ regions: [any WeightRegion]) {
    self.regions = regions.filter { !$0.bytes.isEmpty }.sorted {
      Self.address($0.bytes) < Self.address($1.bytes)
    }
  }

  /// Where some bytes lie; those of no region are left out.
  func parts(of pieces: [UnsafeRawBufferPointer]) -> [Part] {
    var ranges: [Int: [Range<Int>]] = [:]
    for piece in pieces where !piece.isEmpty {
      let start = Self.address(piece)
      var (low, high) = (0, regions.count)
      while low < high {
        let middle = (low + high) / 2
        if Self.address(regions[middle].bytes) <= start { low = middle + 1 } else { high = middle }
      }
      guard low > 0 else { continue }
      let offset = start - Self.address(regions[low - 1].bytes)
      guard offset + piece.count <= regions[low - 1].bytes.count else { continue }
      ranges[low - 1, default: []].append(offset..<(offset + piece.count))
    }
    return ranges.sorted { $0.key < $1.key }.map {
      Part(region: regions[$0.key], ranges: $0.value.merged())
    }
  }

  private static func address(_ bytes: UnsafeRawBufferPointer) -> Int { Int(bitPattern: bytes.baseAddress) }
}
