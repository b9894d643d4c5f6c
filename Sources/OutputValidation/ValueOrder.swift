internal import TensorTypes

/// An order of the values of each matrix of a tensor.
enum ValueOrder: Sendable {
  case same
  /// Row i holds row `order[i]`.
  case rows([Int])
  /// Position j of each row holds position `order[j]` of the same row.
  case columns([Int])
  /// The matrix of `count` rows has the values of one that is `count` wide and has `stride` rows, transposed; `stride`
  /// is the length of a row.
  case transposed(stride: Int, count: Int)

  /// The order that undoes this one.
  var inverse: ValueOrder {
    switch self {
    case .same: .same
    case .rows(let order): .rows(Self.inverse(order))
    case .columns(let order): .columns(Self.inverse(order))
    case .transposed(let stride, let count): .transposed(stride: count, count: stride)
    }
  }

  /// What a tensor holds that was not brought into the order, and what one that was twice.
  func words(_ rows: String) -> (undone: String, done: String) {
    if case .transposed = self {
      return (
        "matrices as the checkpoint stores them: the transposition is missing",
        "matrices that were transposed twice"
      )
    }
    return (
      "\(rows) in the checkpoint's order: the reordering is missing", "\(rows) that were reordered twice"
    )
  }

  private static func inverse(_ order: [Int]) -> [Int] {
    var result = order
    for (position, from) in order.enumerated() { result[from] = position }
    return result
  }

  /// The rows whose values a row holds.
  ///
  /// - Parameters:
  ///   - row: The row, counted over all matrices.
  ///   - shape: Rows of each matrix, and values of a row.
  /// - Returns: Each row once, counted over all matrices.
  func rows(in row: Int, shape: (rows: Int, columns: Int)) -> Set<Int> {
    let first = row / shape.rows * shape.rows
    switch self {
    case .same, .columns: return [row]
    case .rows(let order): return [first + order[row - first]]
    case .transposed:
      return Set((0..<shape.columns).map { first + flat(row - first, $0, shape.columns) / shape.columns })
    }
  }

  /// The values of a row.
  ///
  /// - Parameters:
  ///   - row: The row, counted over all matrices.
  ///   - shape: Rows of each matrix, and values of a row.
  ///   - source: The rows that ``rows(in:shape:)`` names.
  /// - Returns: The values, or `nil` where a row is not there.
  func values(in row: Int, shape: (rows: Int, columns: Int), _ source: (Int) -> [Float]?) -> [Float]? {
    let first = row / shape.rows * shape.rows
    switch self {
    case .same: return source(row)
    case .rows(let order): return source(first + order[row - first])
    case .columns(let order): return source(row).map { row in order.map { row[$0] } }
    case .transposed:
      var result: [Float] = []
      result.reserveCapacity(shape.columns)
      for column in 0..<shape.columns {
        let place = flat(row - first, column, shape.columns)
        guard let values = source(first + place / shape.columns) else { return nil }
        result.append(values[place % shape.columns])
      }
      return result
    }
  }

  /// The place in the matrix, read row by row, of the value that is transposed to a row and a column.
  private func flat(_ row: Int, _ column: Int, _ rowLength: Int) -> Int {
    let place = row * rowLength + column
    guard case .transposed(let stride, let count) = self else { return place }
    return place % stride * count + place / stride
  }
}

extension ValueOrder {
  /// The orders in which a conversion takes the values of the first matrix of a tensor; the others are alike.
  ///
  /// - Parameters:
  ///   - feed: Where the rows come from.
  ///   - shape: Rows of each matrix, and values of a row.
  /// - Returns: An order of rows or a transposition, and an order of columns, without those that change nothing.
  static func all(in feed: TensorFeed, shape: (rows: Int, columns: Int)) -> [ValueOrder] {
    [rows(in: feed, shape), columns(in: feed)].compactMap(\.self)
  }

  private static func columns(in feed: TensorFeed) -> ValueOrder? {
    guard case .blocks(let width, let order) = feed.columns else { return nil }
    return .columns(order.flatMap { block in (0..<width).map { block * width + $0 } })
  }

  private static func rows(in feed: TensorFeed, _ shape: (rows: Int, columns: Int)) -> ValueOrder? {
    if let run = feed.runs.first, case .columns(_, _, let step) = run.order {
      guard step == 1, run.rowCount == shape.rows else { return nil }
      return .transposed(stride: shape.columns, count: shape.rows)
    }
    // Where each row comes from: sources in the order in which they are first used, then their rows.
    var numbers: [Int: Int] = [:]
    var origins: [(source: Int, row: Int)] = []
    for run in feed.runs {
      if case .columns = run.order { return nil }
      let number = numbers[run.source, default: numbers.count]
      numbers[run.source] = number
      for offset in 0..<min(run.rowCount, shape.rows - origins.count) {
        origins.append((number, run.sourceRow(at: offset)))
      }
      if origins.count == shape.rows { break }
    }
    let sorted = origins.indices.sorted { origins[$0] < origins[$1] }
    guard origins.count == shape.rows, !sorted.elementsEqual(origins.indices),
      zip(sorted, sorted.dropFirst()).allSatisfy({ origins[$0] < origins[$1] })
    else { return nil }
    // Row i is the row of the source whose place among all that are used is this.
    return ValueOrder.rows(sorted).inverse
  }
}
