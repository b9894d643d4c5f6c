package import FileBytes

/// Which rows of every output each part of a run makes.
///
/// An output of one file is cut into stretches of rows, in file order, that cost the same; so are all such outputs of a
/// run together, since what they share is to be read and searched once. Of a split output each part makes whole shards.
/// Shares follow from the plans and the number of parts alone: not from threads, memory, or what is done already.
package struct PartShares: Sendable {
  /// How many parts there are.
  package let count: Int
  /// By output and tensor: the part that makes each stretch of rows.
  private var rows: [[[(part: Int, rows: Range<Int>)]]]
  /// By output: the part that makes each file; `nil` where all parts write the only one.
  private var owners: [[Int]?]
  /// The cost of each part.
  package private(set) var costs: [Double]

  /// Tiles per part, if the source has as many of this size or less.
  private static let tilesPerPart = 64
  private static let tileByteCounts = 4 << 10...1 << 20

  /// Divides the work of some outputs.
  ///
  /// - Parameters:
  ///   - outputs: All outputs of the command, those that are complete included.
  ///   - count: How many parts there are.
  package init(_ outputs: [PreparedConversion], count: Int) {
    self.count = count
    rows = outputs.map { $0.plan.tensors.map { _ in [] } }
    owners = outputs.map { _ in nil }
    costs = [Double](repeating: 0, count: count)
    divideRows(outputs, outputs.indices.filter { outputs[$0].plan.files.count == 1 })
    for index in outputs.indices where outputs[index].plan.files.count != 1 {
      divideFiles(outputs[index], index)
    }
  }

  private static func cutter(_ work: WorkUnion, count: Int) -> TileCutter {
    let wanted = work.sourceByteCount / (count * tilesPerPart)
    return TileCutter(
      work, sourceByteLimit: min(max(wanted, tileByteCounts.lowerBound), tileByteCounts.upperBound))
  }

  private mutating func divideRows(_ outputs: [PreparedConversion], _ members: [Int]) {
    guard !members.isEmpty else { return }
    let work = WorkUnion(members.map { outputs[$0] })
    let (cutter, cost) = (Self.cutter(work, count: count), TileCost(work))
    let pieces = work.pieces { [0..<outputs[members[$0.output]].plan.tensors[$0.tensor].rowCount] }
    let total = pieces.reduce(0) { $0 + cutter.cut($1).reduce(0) { $0 + cost.of($1) } }
    var done = 0.0
    for tile in pieces.lazy.flatMap(cutter.cut) {
      let own = cost.of(tile)
      // A tile goes where its middle is.
      let part = total > 0 ? min(count - 1, Int((done + own / 2) / total * Double(count))) : 0
      done += own
      costs[part] += own
      for target in tile.demands.lazy.flatMap(\.targets) {
        add(tile.firstRow..<(tile.firstRow + tile.rowCount), part, members[target.output], target.tensor)
      }
    }
  }

  private mutating func divideFiles(_ output: PreparedConversion, _ index: Int) {
    let work = WorkUnion([output])
    let (cutter, cost) = (Self.cutter(work, count: count), TileCost(work))
    var fileCosts = [Double](repeating: 0, count: output.plan.files.count)
    for piece in work.pieces(missing: { [0..<output.plan.tensors[$0.tensor].rowCount] }) {
      let sum = cutter.cut(piece).reduce(0) { $0 + cost.of($1) }
      for target in piece.demands.lazy.flatMap(\.targets) {
        fileCosts[output.plan.tensors[target.tensor].file] += sum
      }
    }
    // The dearest first, each to the part that has least to do.
    var owners = [Int](repeating: 0, count: fileCosts.count)
    for file in fileCosts.indices.sorted(by: { (-fileCosts[$0], $0) < (-fileCosts[$1], $1) }) {
      let part = costs.indices.min { (costs[$0], $0) < (costs[$1], $1) } ?? 0
      owners[file] = part
      costs[part] += fileCosts[file]
    }
    self.owners[index] = owners
    for (tensor, planned) in output.plan.tensors.enumerated() {
      add(0..<planned.rowCount, owners[planned.file], index, tensor)
    }
  }

  private mutating func add(_ range: Range<Int>, _ part: Int, _ output: Int, _ tensor: Int) {
    guard !range.isEmpty else { return }
    let last = rows[output][tensor].count - 1
    if last >= 0, rows[output][tensor][last].part == part,
      rows[output][tensor][last].rows.upperBound == range.lowerBound
    {
      rows[output][tensor][last].rows = rows[output][tensor][last].rows.lowerBound..<range.upperBound
    } else {
      rows[output][tensor].append((part, range))
    }
  }

  /// The rows of a tensor that a part makes, ascending and apart.
  package func rows(of part: RunPart, output: Int, tensor: Int) -> [Range<Int>] {
    rows[output][tensor].filter { $0.part == part.index }.map(\.rows).merged()
  }

  /// The files that a part writes to.
  package func files(of part: RunPart, output: Int) -> [Int] {
    guard let owners = owners[output] else { return [0] }
    return owners.indices.filter { owners[$0] == part.index }
  }

  /// Whether a part makes nothing of an output.
  package func isEmpty(_ part: RunPart, output: Int) -> Bool {
    rows[output].allSatisfy { !$0.contains { $0.part == part.index } }
  }

  /// A hash of who makes which rows of an output.
  func hash(of output: Int) -> FieldHash {
    var hash = FieldHash()
    hash.add(count)
    for tensor in rows[output] {
      hash.add(tensor.flatMap { [$0.part, $0.rows.lowerBound, $0.rows.upperBound] })
    }
    return hash
  }
}
