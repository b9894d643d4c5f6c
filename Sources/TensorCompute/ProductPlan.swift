internal import BlockQuantization
internal import CQuantKernels
internal import TensorTypes

/// The parallel items of one product: bands of rows, each with the tokens it is multiplied with.
///
/// A row's result does not depend on how bands are cut.
struct ProductPlan {
  /// Rows per band with many tokens: enough to amortize reading the activations.
  private static let rowsPerBand = 64
  /// Bytes of weights per band of float products with few tokens, at least: small enough to share the end of a product
  /// evenly.
  private static let leastStream = 1 << 15
  /// And at most: a core that reads one after the other gets a quarter more out of memory than with the least.
  private static let mostStream = 1 << 20
  /// They become shorter towards the end: each has this part of a thread's share of what is left.
  private static let streamShare = 2

  /// Rows of a matrix or of an expert, and the tokens they are multiplied with.
  private struct Product {
    var type: Int32
    /// Row 0 of the matrix or of the expert.
    var weights: UnsafeRawPointer
    var rowByteCount: Int
    var columns: Int
    var rowCount: Int
    var firstToken: Int
    var tokenCount: Int

    /// Whether the stream of weights is the limit, not the arithmetic.
    var isStream: Bool { tokenCount < CDK_FEW_TOKENS }
    /// About how long a row takes, in bytes of a stream.
    var rowCost: Int { rowByteCount * max(1, tokenCount / 4) }
  }

  private let form: ActivationForm
  private let level: KernelLevel
  private var products: [Product] = []
  private var tokens: [cdk_token] = []
  private var floatTokens: [cdk_float_token] = []

  /// Starts a plan for about so many products of a matrix with a token.
  init(form: ActivationForm, level: KernelLevel, tokenCapacity: Int) {
    self.form = form
    self.level = level
    if form == .float {
      floatTokens.reserveCapacity(tokenCapacity)
    } else {
      tokens.reserveCapacity(tokenCapacity)
    }
    products.reserveCapacity(min(tokenCapacity, 64))
  }

  /// Adds the product of a matrix with `tokenCount` rows of activations.
  ///
  /// `place` gives, for each token, its row in the activations and where its results go.
  mutating func add(
    _ matrix: WeightMatrix, tokenCount: Int, from activations: borrowing PreparedActivations,
    place: (Int) -> (row: Int, y: UnsafeMutablePointer<Float>)
  ) {
    let firstToken = form == .float ? floatTokens.count : tokens.count
    for token in 0..<tokenCount {
      let (row, y) = place(token)
      if form == .float {
        floatTokens.append(activations.floatToken(row, y: y))
      } else {
        tokens.append(activations.token(row, y: y))
      }
    }
    guard let weights = matrix.bytes.baseAddress else { return }
    products.append(
      Product(
        type: Int32(matrix.type.rawValue), weights: weights, rowByteCount: matrix.rowByteCount,
        columns: matrix.columns, rowCount: matrix.rows, firstToken: firstToken, tokenCount: tokenCount))
  }

  /// Computes all products.
  func run(on pool: WorkerPool) {
    if form == .float { runFloat(on: pool) } else { runInteger(on: pool) }
  }

  private func runInteger(on pool: WorkerPool) {
    let threads = pool.threadCount
    tokens.withUnsafeBufferPointer { tokens in
      guard let first = tokens.baseAddress else { return }
      let (bands, ends) = shared(by: threads, first)
      let lineWords = Int(CDK_SHARE_STRIDE)
      bands.withUnsafeBufferPointer { bands in
        // Threads write their shares, so each has lines of its own.
        withUnsafeTemporaryAllocation(byteCount: threads * lineWords * 8, alignment: 128) { bytes in
          let words = bytes.bindMemory(to: UInt64.self)
          for thread in 0..<threads {
            words[thread * lineWords] = cdk_share(thread == 0 ? 0 : ends[thread - 1], ends[thread])
          }
          guard let shares = words.baseAddress, let bands = bands.baseAddress else { return }
          // Workers only read the rest, and the results they write do not overlap.
          nonisolated(unsafe) let (firstBand, firstShare, kernels) = (bands, shares, level.products)
          pool.run(count: threads) { thread in
            kernels.pointee.multiply_bands(firstBand, firstShare, threads, thread)
          }
        }
      }
    }
  }

  /// All products as bands, one thread's after another's, and where the threads' shares end, in steps.
  private func shared(by threads: Int, _ tokens: UnsafePointer<cdk_token>) -> (
    bands: [cdk_band], ends: [UInt32]
  ) {
    var bands: [cdk_band] = []
    bands.reserveCapacity(products.count + threads)
    var ends: [UInt32] = []
    ends.reserveCapacity(threads)
    let total = products.reduce(0) { $0 + $1.rowCount * $1.rowCost }
    var (done, steps) = (0, UInt32(0))
    for product in products {
      let unit = product.isStream ? Int(CDK_STEP_ROWS) : Self.rowsPerBand
      let unitCost = unit * product.rowCost
      var firstRow = 0
      while firstRow < product.rowCount {
        var rowCount = product.rowCount - firstRow
        if ends.count + 1 < threads {
          // Whole units, as near to the share as they come.
          let units = (total * (ends.count + 1) / threads - done + unitCost / 2) / unitCost
          guard units > 0 else {
            ends.append(steps)
            continue
          }
          rowCount = min(rowCount, units * unit)
        }
        if !product.isStream { rowCount = min(rowCount, unit) }
        bands.append(
          cdk_band(
            type: product.type, weights: product.weights, row_bytes: product.rowByteCount,
            first_row: firstRow,
            rows: rowCount, columns: product.columns, tokens: tokens + product.firstToken,
            token_count: product.tokenCount, first_step: steps))
        steps += cdk_steps_of(rowCount, product.tokenCount)
        firstRow += rowCount
        done += rowCount * product.rowCost
      }
    }
    while ends.count < threads { ends.append(steps) }
    return (bands, ends)
  }

  private func runFloat(on pool: WorkerPool) {
    floatTokens.withUnsafeBufferPointer { tokens in
      guard let first = tokens.baseAddress else { return }
      cut(threads: pool.threadCount).withUnsafeBufferPointer { bands in
        nonisolated(unsafe) let (bands, first, kernels) = (bands, first, level.products)
        pool.run(count: bands.count) { index in
          let (product, firstRow, rowCount) = bands[index]
          kernels.pointee.multiply_float(
            product.type, product.weights, product.rowByteCount, firstRow, rowCount, product.columns,
            first + product.firstToken, product.tokenCount)
        }
      }
    }
  }

  /// Float products cut into bands for a number of threads.
  private func cut(threads: Int) -> [(product: Product, firstRow: Int, rowCount: Int)] {
    var left = 0
    for product in products where product.isStream { left += product.rowCount * product.rowByteCount }
    var bands: [(product: Product, firstRow: Int, rowCount: Int)] = []
    bands.reserveCapacity(products.count + 16)
    for product in products {
      var firstRow = 0
      while firstRow < product.rowCount {
        var rowCount = Self.rowsPerBand
        if product.isStream {
          let bytes = min(max(left / (Self.streamShare * threads), Self.leastStream), Self.mostStream)
          rowCount = max(8, bytes / product.rowByteCount / 8 * 8)
        }
        rowCount = min(rowCount, product.rowCount - firstRow)
        if product.isStream { left -= rowCount * product.rowByteCount }
        bands.append((product, firstRow, rowCount))
        firstRow += rowCount
      }
    }
    return bands
  }
}
