internal import FileBytes

/// What a part of a run makes of the outputs that are wanted.
struct PartOfRun {
  private let part: RunPart
  private let shares: PartShares
  private let wanted: [PreparedConversion]
  /// The numbers of the wanted outputs among all of the command.
  private let indices: [Int]

  /// Divides the work.
  ///
  /// - Parameters:
  ///   - part: Which part.
  ///   - outputs: All outputs of the command.
  ///   - indices: Those that are wanted.
  init(_ part: RunPart, _ outputs: [PreparedConversion], _ indices: [Int]) {
    self.part = part
    self.indices = indices
    wanted = indices.map { outputs[$0] }
    shares = PartShares(outputs, count: part.count)
  }

  func openJournals(_ options: ExecutionOptions) throws -> [Journal] {
    try PartJournals(outputs: wanted, shares: shares, indices: indices).open(part, options)
  }

  /// What is made of one of the wanted outputs.
  func share(of output: Int) -> OutputWriter.Share {
    let index = indices[output]
    return OutputWriter.Share(
      rows: wanted[output].plan.tensors.indices.map {
        shares.rows(of: part, output: index, tensor: $0)
      },
      files: Set(shares.files(of: part, output: index)))
  }

  /// Bytes of source weights that the part takes.
  func sourceByteCount(_ work: WorkUnion) -> Int {
    work.pieces { shares.rows(of: part, output: indices[$0.output], tensor: $0.tensor) }.reduce(0) {
      $0 + work.tensors[$1.tensor].common.sourceByteCount(rows: $1.rows.count)
    }
  }
}
