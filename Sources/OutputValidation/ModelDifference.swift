internal import BlockQuantization
internal import FileBytes
internal import GGUFFormat
internal import TensorTypes

/// How two GGUF models differ: metadata, types, shapes and values, down to the experts.
package struct ModelDifference: Codable, Hashable, Sendable {
  /// A metadata key with different values.
  package struct Key: Codable, Hashable, Sendable {
    /// The key.
    package var key: String
    /// The value in the first model; `nil` without one.
    package var first: String?
    /// The value in the second model; `nil` without one.
    package var second: String?
  }

  /// An expert whose values differ.
  package struct Expert: Codable, Hashable, Sendable {
    /// Its number.
    package var expert: Int
    /// √(Σ(a−b)² / Σa²); `nil` for types that cannot be decoded.
    package var relativeError: Double?
  }

  /// A tensor that differs.
  package struct Tensor: Codable, Hashable, Sendable {
    /// Its name.
    package var name: String
    /// Type and shape in the first model.
    package var first: String
    /// Type and shape in the second model.
    package var second: String
    /// Whether types differ.
    package var typesDiffer: Bool
    /// Whether shapes differ; values are not compared then.
    package var shapesDiffer: Bool
    /// Values (elements) that differ after decoding.
    package var differingValues: Int
    /// Values in all.
    package var values: Int
    /// The first value that differs.
    package var firstDifference: String?
    /// √(Σ(a−b)² / Σa²); `nil` for types that cannot be decoded.
    package var relativeError: Double?
    /// The largest |a − b|; `nil` for types that cannot be decoded.
    package var largestDifference: Double?
    /// Experts in the tensor, 1 for a single matrix.
    package var expertCount: Int
    /// Experts that differ.
    package var experts: [Expert]
  }

  /// Tensors that one model keeps as one and the other apart, or under another name; their values are compared.
  package struct Rearranged: Codable, Hashable, Sendable {
    /// The names in the first model.
    package var first: [String]
    /// The names in the second model.
    package var second: [String]
  }

  /// The first model.
  package var first: String
  /// The second model.
  package var second: String
  /// Keys with different values, in the order of the first model.
  package var keys: [Key] = []
  /// Keys whose values are equal.
  package var equalKeys = 0
  /// Tensors of the first model alone.
  package var onlyInFirst: [String] = []
  /// Tensors of the second model alone.
  package var onlyInSecond: [String] = []
  /// Tensors that both models have in another arrangement.
  package var rearranged: [Rearranged] = []
  /// Whether the tensors that both have come in another order.
  package var orderDiffers = false
  /// Whether the keys that both have come in another order, which changes the files' hashes alone.
  package var keyOrderDiffers = false
  /// Tensors that differ, largest relative error first.
  package var tensors: [Tensor] = []
  /// Tensors of equal type, shape and bytes.
  package var equalTensors = 0

  /// Whether nothing differs.
  package var isEmpty: Bool {
    keys.isEmpty && onlyInFirst.isEmpty && onlyInSecond.isEmpty && rearranged.isEmpty && tensors.isEmpty
      && !orderDiffers && !keyOrderDiffers
  }

  /// Compares two models, each a file or the first shard of a set; keys about shards do not count.
  ///
  /// - Parameters:
  ///   - first: A GGUF.
  ///   - second: Another one.
  ///   - threadCount: The number of threads.
  ///   - onProgress: Called while bytes are read, from any thread.
  ///   - isCancelled: Asked between pieces.
  /// - Throws: Errors of the readers, ``ValidationError`` with `interrupted`.
  /// - Complexity: Reads both models once, in pieces of a few hundred kB for each thread.
  package init(
    first: String, second: String, threadCount: Int,
    onProgress: (@Sendable (_ done: Int, _ total: Int) -> Void)? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws {
    self.first = first
    self.second = second
    let a = try GGUFSplitSet(path: first)
    let b = try GGUFSplitSet(path: second)
    compareKeys(a.metadata, b.metadata)
    let common = a.tensors.map(\.info.name).filter { b.tensor($0) != nil }
    orderDiffers = common != b.tensors.map(\.info.name).filter { a.tensor($0) != nil }
    let arrangement = TensorArrangement(a, b)
    onlyInFirst = arrangement.onlyInFirst
    onlyInSecond = arrangement.onlyInSecond
    rearranged = arrangement.rearranged
    var found: [Tensor] = []
    let total = arrangement.pairs.reduce(0) { $0 + $1.first.info.byteCount }
    var done = 0
    for (tensor, other) in arrangement.pairs {
      if isCancelled() {
        throw ValidationError(.interrupted, Fault(expected: "to finish", found: "an interruption"))
      }
      if let difference = try TensorDifferencer(a: a, b: b, threadCount: threadCount).compare(tensor, other) {
        found.append(difference)
      } else {
        equalTensors += 1
      }
      done += tensor.info.byteCount
      onProgress?(done, total)
    }
    func weight(_ tensor: Tensor) -> Double {
      tensor.shapesDiffer ? .infinity : tensor.relativeError.map { $0.isNaN ? .infinity : $0 } ?? .infinity
    }
    tensors = found.enumerated().sorted {
      weight($0.element) == weight($1.element)
        ? $0.offset < $1.offset : weight($0.element) > weight($1.element)
    }.map(\.element)
  }

  private mutating func compareKeys(_ a: [MetadataEntry], _ b: [MetadataEntry]) {
    let mine = a.filter { !GGUFSplitKeys.all.contains($0.key) }
    let theirs = b.filter { !GGUFSplitKeys.all.contains($0.key) }
    let values = Dictionary(theirs.map { ($0.key, $0.value) }) { first, _ in first }
    let known = Set(mine.map(\.key))
    keyOrderDiffers =
      mine.map(\.key).filter { values[$0] != nil } != theirs.map(\.key).filter(known.contains)
    for entry in mine {
      guard let other = values[entry.key] else {
        keys.append(Key(key: entry.key, first: entry.value.summary, second: nil))
        continue
      }
      if other == entry.value {
        equalKeys += 1
      } else {
        let (x, y) = Self.texts(entry.value, other)
        keys.append(Key(key: entry.key, first: x, second: y))
      }
    }
    for entry in theirs where !known.contains(entry.key) {
      keys.append(Key(key: entry.key, first: nil, second: entry.value.summary))
    }
  }

  /// Both values; of arrays and long texts the part where they differ.
  private static func texts(_ a: MetadataValue, _ b: MetadataValue) -> (String, String) {
    switch (a, b) {
    case (.array(.string(let x)), .array(.string(let y))): return elements(x, y) { "\"\($0)\"" }
    case (.array(.float32(let x)), .array(.float32(let y))): return elements(x, y) { "\($0)" }
    case (.array(.int32(let x)), .array(.int32(let y))): return elements(x, y) { "\($0)" }
    case (.array(.bool(let x)), .array(.bool(let y))): return elements(x, y) { "\($0)" }
    case (.string(let x), .string(let y)) where x.count > 60 || y.count > 60:
      let common = zip(x, y).prefix { $0 == $1 }.count
      func part(_ text: String) -> String {
        "\(text.count) characters; from \(common) on: \"\(text.dropFirst(common).prefix(40))\""
      }
      return (part(x), part(y))
    default:
      return a.summary == b.summary ? (a.typedSummary, b.typedSummary) : (a.summary, b.summary)
    }
  }

  private static func elements<T: Equatable>(_ x: [T], _ y: [T], _ show: (T) -> String) -> (String, String) {
    let first = zip(x, y).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(x.count, y.count)
    let number = zip(x, y).count { $0 != $1 } + abs(x.count - y.count)
    func part(_ list: [T]) -> String {
      let value = first < list.count ? show(list[first]) : "no such element"
      return "\(list.count) elements, \(number) differ; element \(first): \(value)"
    }
    return (part(x), part(y))
  }
}

/// Compares the values of two tensors of one name.
private struct TensorDifferencer {
  let a: GGUFSplitSet
  let b: GGUFSplitSet
  let threadCount: Int

  private struct Part: Sendable {
    var firstRow: Int
    var differing = 0
    var firstElement = -1
    var firstValues: (Float, Float) = (0, 0)
    var largest = 0.0
    var sums = BlockChecks.Sums()
  }

  /// Values of one piece.
  private static let valuesPerPiece = 64 * 1024

  func compare(_ x: PlacedTensor, _ y: PlacedTensor) throws -> ModelDifference.Tensor? {
    let (p, q) = (x.info, y.info)
    let matrices = max(1, p.ggmlShape.dropFirst(2).reduce(1, *))
    var result = ModelDifference.Tensor(
      name: p.name, first: "\(p.type.name) \(p.ggmlShape)", second: "\(q.type.name) \(q.ggmlShape)",
      typesDiffer: p.type != q.type, shapesDiffer: trimmed(p.ggmlShape) != trimmed(q.ggmlShape),
      differingValues: 0,
      values: p.elementCount, firstDifference: nil, relativeError: nil, largestDifference: nil,
      expertCount: matrices,
      experts: [])
    guard !result.shapesDiffer, p.elementCount > 0 else {
      return result.shapesDiffer || result.typesDiffer ? result : nil
    }
    let decodable = BlockQuantizer.canDequantize(p.type) && BlockQuantizer.canDequantize(q.type)
    guard decodable || !result.typesDiffer else { return result }
    let parts = try parts(x, y, isDecodable: decodable)
    let rowsPerMatrix = p.ggmlShape.count > 1 ? p.ggmlShape[1] : 1
    var whole = BlockChecks.Sums()
    var largest = 0.0
    var perMatrix: [Int: (sums: BlockChecks.Sums, differs: Bool)] = [:]
    for part in parts.sorted(by: { $0.firstRow < $1.firstRow }) {
      whole.add(part.sums)
      largest = max(largest, part.largest)
      result.differingValues += part.differing
      perMatrix[part.firstRow / rowsPerMatrix, default: (BlockChecks.Sums(), false)].sums.add(part.sums)
      guard part.differing > 0 else { continue }
      perMatrix[part.firstRow / rowsPerMatrix]?.differs = true
      if result.firstDifference == nil {
        let place = Place(p).text(element: part.firstElement)
        result.firstDifference =
          decodable ? "\(place): \(part.firstValues.0) and \(part.firstValues.1)" : place
      }
    }
    guard result.differingValues > 0 || result.typesDiffer else { return nil }
    if decodable {
      result.relativeError = whole.relativeError
      result.largestDifference = largest
    }
    if matrices > 1 {
      result.experts = perMatrix.filter(\.value.differs).sorted { $0.key < $1.key }.map {
        ModelDifference.Expert(expert: $0.key, relativeError: decodable ? $0.value.sums.relativeError : nil)
      }
    }
    return result
  }

  private func trimmed(_ shape: [Int]) -> [Int] { TensorSetCheck.trimmed(shape) }

  private func parts(_ x: PlacedTensor, _ y: PlacedTensor, isDecodable: Bool) throws -> [Part] {
    let shape = x.info.ggmlShape
    let rowLength = max(1, shape.first ?? 1)
    let rowsPerMatrix = shape.count > 1 ? shape[1] : 1
    let step = max(1, min(rowsPerMatrix, Self.valuesPerPiece / rowLength))
    var pieces: [(row: Int, count: Int)] = []
    for matrix in 0..<max(1, shape.dropFirst(2).reduce(1, *)) {
      for row in stride(from: 0, to: rowsPerMatrix, by: step) {
        pieces.append((matrix * rowsPerMatrix + row, min(step, rowsPerMatrix - row)))
      }
    }
    let fixed = pieces
    return try parallelMap(count: fixed.count, threadCount: threadCount) { index in
      try part(x, y, rowLength, fixed[index].row, fixed[index].count, isDecodable)
    }
  }

  private func part(
    _ x: PlacedTensor, _ y: PlacedTensor, _ rowLength: Int, _ row: Int, _ rowCount: Int,
    _ isDecodable: Bool
  ) throws -> Part {
    func bytes(_ tensor: PlacedTensor, _ set: GGUFSplitSet) throws -> [UInt8] {
      let rowBytes = rowLength / tensor.info.type.blockLength * tensor.info.type.blockByteCount
      var result: [UInt8] = []
      var next = row
      while next < row + rowCount {
        let place = tensor.bytes(fromRow: next, rowByteCount: rowBytes)
        let count = min(place.rowCount, row + rowCount - next)
        result += try set.files[tensor.shard].file.bytes(at: place.position, count: count * rowBytes)
        next += count
      }
      return result
    }
    let (p, q) = (try bytes(x, a), try bytes(y, b))
    var part = Part(firstRow: row)
    let isSame = x.info.type == y.info.type && p == q
    guard isDecodable else {
      if !isSame {
        // Without values, blocks are counted as if all their values differed.
        let size = x.info.type.blockByteCount
        for block in 0..<(p.count / size)
        where p[block * size..<(block + 1) * size] != q[block * size..<(block + 1) * size] {
          if part.firstElement < 0 { part.firstElement = row * rowLength + block * x.info.type.blockLength }
          part.differing += x.info.type.blockLength
        }
      }
      return part
    }
    func values(_ bytes: [UInt8], _ type: TensorType) -> [Float] {
      [Float](unsafeUninitializedCapacity: rowCount * rowLength) { buffer, count in
        count = rowCount * rowLength
        bytes.withUnsafeBytes {
          BlockQuantizer.dequantize(
            type, bytes: $0, rowLength: rowLength,
            into: UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
        }
      }
    }
    let u = values(p, x.info.type)
    let v = isSame ? u : values(q, y.info.type)
    var errors = [Float](repeating: 0, count: 1)
    part.sums = u.withUnsafeBufferPointer { u in
      v.withUnsafeBufferPointer { v in
        errors.withUnsafeMutableBufferPointer { BlockChecks.compare(u, v, blockLength: u.count, errors: $0) }
      }
    }
    guard !isSame else { return part }
    for index in u.indices where u[index].bitPattern != v[index].bitPattern {
      if part.firstElement < 0 {
        part.firstElement = row * rowLength + index
        part.firstValues = (u[index], v[index])
      }
      part.differing += 1
      part.largest = max(part.largest, Double((u[index] - v[index]).magnitude))
    }
    // Bytes may differ where values do not, as in the codes of a block of scale 0.
    if part.differing == 0, x.info.type == y.info.type {
      part.firstElement = row * rowLength
      part.firstValues = (u.first ?? 0, v.first ?? 0)
      part.differing = 1
    }
    return part
  }
}
