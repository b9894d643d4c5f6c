public import FileBytes
public import TensorTypes

/// How tensors are spread over the shards of a split GGUF.
///
/// llama.cpp has two splitters that differ in detail; both are here.
public struct GGUFSplitPlan: Hashable, Sendable {
  /// The splitter whose rules are followed.
  public enum Style: Hashable, Sendable {
    /// `llama-gguf-split`: sizes count padding; one limit; even one shard is named as a shard.
    case splitTool
    /// The Python converter: sizes without padding; one shard is an ordinary file.
    case converter
  }

  /// When a new shard starts.
  public struct Limits: Hashable, Sendable {
    /// The most tensors in a shard.
    public var tensorCount: Int?
    /// The most tensor bytes in a shard; a single larger tensor gets a shard of its own.
    public var byteCount: Int?
    /// True to keep the first shard free of tensors.
    public var firstShardIsEmpty: Bool

    /// Creates limits.
    public init(tensorCount: Int? = nil, byteCount: Int? = nil, firstShardIsEmpty: Bool = false) {
      self.tensorCount = tensorCount
      self.byteCount = byteCount
      self.firstShardIsEmpty = firstShardIsEmpty
    }
  }

  /// The rules followed.
  public let style: Style
  /// The tensors of each shard, as positions in the list given.
  public let shards: [Range<Int>]

  /// True when the result is one ordinary file without `split.` keys.
  package var isSingleFile: Bool { shards.count == 1 && style == .converter }

  /// The number of tensors in all shards.
  public var tensorCount: Int { shards.last?.upperBound ?? 0 }

  /// Spreads tensors over shards.
  ///
  /// - Parameters:
  ///   - tensorByteCounts: The size of each tensor in output order, without padding.
  ///   - style: Whose rules are followed.
  ///   - limits: When a new shard starts; `splitTool` uses `tensorCount` only when there is no `byteCount`, and
  ///     128 tensors when there is neither.
  /// - Throws: ``GGUFError`` with `badLimit` for a limit that is not positive or more than 65,535 shards,
  ///   `emptyShard` where the split tool gives up because the first tensor exceeds the limit.
  public init(tensorByteCounts: [Int], style: Style, limits: Limits) throws(GGUFError) {
    guard (limits.tensorCount ?? 1) > 0, (limits.byteCount ?? 1) > 0 else {
      throw GGUFError(
        .badLimit,
        Fault(
          expected: "shard limits above 0",
          found: "\(limits.tensorCount ?? 1) tensors, \(limits.byteCount ?? 1) bytes"))
    }
    self.style = style
    switch style {
    case .splitTool: shards = try Self.likeSplitTool(tensorByteCounts, limits)
    case .converter: shards = Self.likeConverter(tensorByteCounts, limits)
    }
    guard shards.count <= Int(UInt16.max) else {
      throw GGUFError(
        .badLimit,
        Fault(
          expected: "at most \(UInt16.max) shards", found: "\(shards.count)", remedy: "choose a larger limit")
      )
    }
  }

  private static func likeSplitTool(_ sizes: [Int], _ limits: Limits) throws(GGUFError) -> [Range<Int>] {
    var shards: [Range<Int>] = limits.firstShardIsEmpty ? [0..<0] : []
    var start = 0
    var bytes = 0
    for (index, size) in sizes.enumerated() {
      let padded = GGUFConstants.padded(size) ?? .max
      let (sum, overflow) = bytes.addingReportingOverflow(padded)
      let isFull: Bool
      if let limit = limits.byteCount {
        isFull = overflow || sum > limit
      } else {
        isFull = index > 0 && index % (limits.tensorCount ?? 128) == 0
      }
      guard isFull else {
        bytes = sum
        continue
      }
      guard index > start else {
        throw GGUFError(
          .emptyShard,
          Fault(
            expected: "a first tensor that fits the shard limit of \(limits.byteCount ?? 0) bytes",
            found: "\(padded) bytes", remedy: "choose a larger limit"))
      }
      shards.append(start..<index)
      start = index
      bytes = padded
    }
    shards.append(start..<sizes.count)
    return shards
  }

  private static func likeConverter(_ sizes: [Int], _ limits: Limits) -> [Range<Int>] {
    var shards: [Range<Int>] = limits.firstShardIsEmpty ? [0..<0] : []
    var start = 0
    var bytes = 0
    for (index, size) in sizes.enumerated() {
      let (sum, overflow) = bytes.addingReportingOverflow(size)
      let isFull =
        index > start
        && (index - start >= limits.tensorCount ?? .max || overflow || sum > limits.byteCount ?? .max)
      if isFull {
        shards.append(start..<index)
        start = index
        bytes = size
      } else {
        bytes = sum
      }
    }
    shards.append(start..<sizes.count)
    return shards
  }

  /// The metadata of one shard: all entries and the split keys in the first, the split keys alone in the others.
  ///
  /// - Parameters:
  ///   - shard: The shard number, counted from 0.
  ///   - metadata: The metadata of the whole model; split keys in it are replaced.
  /// - Returns: The entries in the order in which they are written.
  public func metadata(shard: Int, of metadata: [MetadataEntry]) -> [MetadataEntry] {
    let kept = shard == 0 ? metadata.filter { !GGUFSplitKeys.all.contains($0.key) } : []
    guard !isSingleFile else { return kept }
    let number = MetadataEntry(GGUFSplitKeys.number, .uint16(UInt16(shard)))
    let count = MetadataEntry(GGUFSplitKeys.count, .uint16(UInt16(shards.count)))
    let tensors = MetadataEntry(GGUFSplitKeys.tensorCount, .int32(Int32(clamping: tensorCount)))
    switch style {
    // The split tool sets the count once more at the end, which moves the key behind the others.
    case .splitTool: return kept + [number, tensors, count]
    case .converter: return kept + [number, count, tensors]
    }
  }

  /// The file names of all shards for an output called `prefix` (no `.gguf` ending).
  public func fileNames(prefix: String) -> [String] {
    guard !isSingleFile else { return [prefix + ".gguf"] }
    return shards.indices.map { GGUFSplitKeys.fileName(prefix: prefix, shard: $0, count: shards.count) }
  }
}

/// Keys and names of split files.
public enum GGUFSplitKeys {
  /// The key of the shard number, u16, counted from 0.
  public static let number = "split.no"
  /// The key of the number of shards, u16.
  public static let count = "split.count"
  /// The key of the number of tensors in all shards, i32.
  public static let tensorCount = "split.tensors.count"
  /// All three keys.
  public static let all: Set<String> = [number, count, tensorCount]

  /// `prefix-%05d-of-%05d.gguf`; `shard` counts from 0.
  public static func fileName(prefix: String, shard: Int, count: Int) -> String {
    prefix + suffix(shard: shard, count: count)
  }

  /// `-%05d-of-%05d.gguf`; `shard` counts from 0.
  static func suffix(shard: Int, count: Int) -> String {
    "-\(fiveDigits(shard + 1))-of-\(fiveDigits(count)).gguf"
  }

  private static func fiveDigits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }

  /// Parses a shard size such as `2G` or `300M`: powers of 1000; `K` only for the Python converter's flag.
  ///
  /// - Throws: ``GGUFError`` with `badLimit`.
  package static func byteCount(parsing text: String, style: GGUFSplitPlan.Style) throws(GGUFError) -> Int {
    let units: [Character: Int] =
      style == .converter
      ? ["K": 1000, "M": 1_000_000, "G": 1_000_000_000] : ["M": 1_000_000, "G": 1_000_000_000]
    let unit = text.last.flatMap { units[$0] }
    let digits = unit == nil && style == .converter ? text[...] : text.dropLast()
    if digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      unit != nil || style == .converter, let number = Int(digits), number > 0,
      case let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1), !overflow
    {
      return bytes
    }
    let suffixes = units.keys.map(String.init).sorted().joined(separator: ", ")
    throw GGUFError(
      .badLimit,
      Fault(expected: "a size: a whole number above 0 and a unit (\(suffixes))", found: "\"\(text)\""))
  }
}
