internal import FileBytes

/// Rows of a tensor of the union that are still to be made, all for the same outputs.
///
/// Pieces are what a run does: it may take any part of them.
struct WorkPiece: Sendable {
  /// The index of the tensor in the union.
  var tensor: Int
  /// The rows.
  var rows: Range<Int>
  /// What is made of them, and for whom.
  var demands: [Tile.Demand]
}

extension WorkUnion {
  /// What is left to do.
  ///
  /// - Parameter missing: The rows that a tensor of an output lacks, ascending and apart.
  /// - Returns: Pieces, cut where the outputs that want the rows change.
  func pieces(missing: (Target) -> [Range<Int>]) -> [WorkPiece] {
    tensors.indices.flatMap { pieces(of: $0, missing: missing) }
  }

  private func pieces(of index: Int, missing: (Target) -> [Range<Int>]) -> [WorkPiece] {
    let forms = tensors[index].forms
    let ranges = forms.map { $0.targets.map { (target: $0, rows: missing($0)) } }
    let borders = Set(ranges.joined().flatMap(\.rows).flatMap { [$0.lowerBound, $0.upperBound] }).sorted()
    return zip(borders, borders.dropFirst()).compactMap { start, end in
      let demands = ranges.enumerated().compactMap { form, wanted -> Tile.Demand? in
        let targets = wanted.filter { $0.rows.contains { $0.contains(start) } }.map(\.target)
        return targets.isEmpty ? nil : Tile.Demand(form: form, targets: targets)
      }
      return demands.isEmpty ? nil : WorkPiece(tensor: index, rows: start..<end, demands: demands)
    }
  }
}
