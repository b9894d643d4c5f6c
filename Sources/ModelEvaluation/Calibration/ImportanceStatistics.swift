package import ImportanceData

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// What `llama-imatrix --show-statistics` says of importance data, tensor by tensor.
///
/// With a the mean squared activations `sum / count` of all experts that have data. All arithmetic is f32 in order,
/// as there.
package struct ImportanceStatistics: Hashable, Sendable, Codable {
  /// One tensor.
  package struct Tensor: Hashable, Sendable, Codable {
    /// The name of the weight tensor.
    package var name: String
    /// The layer, when the name has one.
    package var layer: Int?
    /// The part of the name before `.weight`.
    package var part: String
    /// The sum of a.
    package var total: Float
    /// The smallest a.
    package var least: Float
    /// The largest a.
    package var most: Float
    /// The mean of a.
    package var mean: Float
    /// The standard deviation of a.
    package var deviation: Float
    /// The share of values above 1e-5.
    package var active: Float
    /// Values.
    package var elements: Int
    /// The entropy of `a / total` in bits.
    package var entropy: Float
    /// The entropy as a share of its largest possible value.
    package var normalizedEntropy: Float
    /// The share of values more than a standard deviation above the mean.
    package var zScoreShare: Float
    /// The cosine between this tensor's sums and those of the same tensor one layer before; 0 without one.
    package var cosineToPrevious: Float
  }

  /// Means over the tensors of a layer, weighted by their number of values.
  package struct Layer: Hashable, Sendable, Codable {
    /// The layer.
    package var layer: Int
    /// The mean total.
    package var total: Float
    /// The mean share above one standard deviation.
    package var zScoreShare: Float
    /// The mean cosine.
    package var cosineToPrevious: Float
  }

  /// The tensors with data, by the part of their name, then by falling total.
  package var tensors: [Tensor]
  /// The layers in order.
  package var layers: [Layer]

  /// Computes the statistics of a file.
  package init(_ file: ImportanceFile) {
    let sums = Dictionary(file.records.map { ($0.name, $0.sums) }, uniquingKeysWith: { first, _ in first })
    tensors = file.records.compactMap { Self.tensor($0, sums) }.sorted {
      $0.part != $1.part
        ? $0.part.utf8.lexicographicallyPrecedes($1.part.utf8)
        : ($1.total, $0.name) < ($0.total, $1.name)
    }
    var weighted: [Int: Layer] = [:]
    var counts: [Int: Int] = [:]
    for tensor in tensors {
      guard let number = tensor.layer else { continue }
      var layer = weighted[number] ?? Layer(layer: number, total: 0, zScoreShare: 0, cosineToPrevious: 0)
      layer.total += Float(tensor.elements) * tensor.total
      layer.zScoreShare += Float(tensor.elements) * tensor.zScoreShare
      layer.cosineToPrevious += Float(tensor.elements) * tensor.cosineToPrevious
      weighted[number] = layer
      counts[number, default: 0] += tensor.elements
    }
    layers = weighted.values.sorted { $0.layer < $1.layer }.map { layer in
      let count = Float(counts[layer.layer] ?? 1)
      return Layer(
        layer: layer.layer, total: layer.total / count, zScoreShare: layer.zScoreShare / count,
        cosineToPrevious: layer.cosineToPrevious / count)
    }
  }

  private static func tensor(_ record: ImportanceRecord, _ sums: [String: [Float]]) -> Tensor? {
    let columns = record.sums.count / record.counts.count
    var values: [Float] = []
    for (matrix, count) in record.counts.enumerated() where count > 0 {
      values += record.sums[(matrix * columns)..<((matrix + 1) * columns)].map { $0 / Float(count) }
    }
    guard let least = values.min(), let most = values.max() else { return nil }
    let total = values.reduce(0, +)
    let count = Float(values.count)
    let mean = total / count
    let squares = values.reduce(Float(0)) { $0 + $1 * $1 }
    let deviation = max(0, squares / count - mean * mean).squareRoot()
    var entropy: Float = 0
    if total > 0 {
      for value in values where value / total > 0 { entropy -= value / total * log2f(value / total) }
    }
    let above = deviation > 0 ? values.count { ($0 - mean) / deviation > 1 } : 0
    let (layer, part) = place(record.name)
    return Tensor(
      name: record.name, layer: layer, part: part, total: total, least: least, most: most, mean: mean,
      deviation: deviation, active: 1 - Float(values.count { $0 <= 1e-5 }) / count, elements: values.count,
      entropy: entropy,
      normalizedEntropy: values.count > 1 ? Float(Double(entropy) / log2(Double(values.count))) : 0,
      zScoreShare: Float(above) / count, cosineToPrevious: cosine(record, sums))
  }

  /// The layer and the part of a name: 3 and `ffn_up` of `blk.3.ffn_up.weight`.
  private static func place(_ name: String) -> (layer: Int?, part: String) {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let block = parts.firstIndex(of: "blk").flatMap { $0 + 1 < parts.count ? Int(parts[$0 + 1]) : nil }
    let weight = parts.firstIndex(of: "weight").flatMap { $0 > 0 ? parts[$0 - 1] : nil }
    return (block, weight ?? name)
  }

  private static func cosine(_ record: ImportanceRecord, _ sums: [String: [Float]]) -> Float {
    let parts = record.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let block = parts.firstIndex(of: "blk"), block + 1 < parts.count, let layer = Int(parts[block + 1])
    else { return 0 }
    var before = parts
    before[block + 1] = "\(layer - 1)"
    guard let previous = sums[before.joined(separator: ".")], previous.count == record.sums.count else {
      return 0
    }
    func product(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(Float(0)) { $0 + $1.0 * $1.1 } }
    let lengths = product(record.sums, record.sums).squareRoot() * product(previous, previous).squareRoot()
    return lengths > 0 ? product(record.sums, previous) / lengths : 0
  }
}
