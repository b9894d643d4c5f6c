internal import BlockQuantization
internal import CQuantKernels
internal import TensorTypes

/// The parallel items of one product: bands of rows, each with the tokens it is multiplied with.
///
/// A row's result does not depend on how bands are cut.
struct ProductPlan {
  /// Rows of a matrix or of an expert, and the tokens they are multiplied with.
  private struct Band {
    var type: Int32
    /// Row 0 of the matrix or of the expert.
    var weights: UnsafeRawPointer
    var rowByteCount: Int
    var columns: Int
    var firstRow: Int
    var rowCount: Int
    var firstToken: Int
    var tokenCount: Int

    /// Whether the stream of weights is the limit, not the arithmetic.
    var isStream: Bool { tokenCount < 4 }
    var byteCount: Int { rowCount * rowByteCount }
  }

  /// Rows per band with many tokens: enough to amortize reading the activations.
  private static let rowsPerBand = 64
  /// Bytes of weights per band with few tokens, at least: small enough to share the end of a product evenly.
  private static let leastStream = 1 << 15
  /// And at most: a core that reads one after the other gets a quarter more out of memory than with the least.
  private static let mostStream = 1 << 20
  /// Streams become shorter towards the end: each has this part of a thread's share of what is left.
  private static let streamShare = 2

  private let form: ActivationForm
  private let level: KernelLevel
  private var products: [Band] = []
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
      Band(
        type: Int32(matrix.type.rawValue), weights: weights, rowByteCount: matrix.rowByteCount,
        columns: matrix.columns, firstRow: 0, rowCount: matrix.rows, firstToken: firstToken,
        tokenCount: tokenCount))
  }

  /// All products cut into bands for a number of threads.
  private func cut(threads: Int) -> [Band] {
    var left = 0
    for product in products where product.isStream { left += product.byteCount }
    var bands: [Band] = []
    bands.reserveCapacity(products.count + 16)
    for product in products {
      var band = product
      while band.firstRow < product.rowCount {
        let rest = product.rowCount - band.firstRow
        if product.isStream {
          let bytes = min(max(left / (Self.streamShare * threads), Self.leastStream), Self.mostStream)
          band.rowCount = min(rest, max(8, bytes / product.rowByteCount / 8 * 8))
          left -= band.byteCount
        } else {
          band.rowCount = min(rest, Self.rowsPerBand)
        }
        bands.append(band)
        band.firstRow += band.rowCount
      }
    }
    return bands
  }

  /// Computes all bands.
  func run(on pool: WorkerPool) {
    cut(threads: pool.threadCount).withUnsafeBufferPointer { bands in
      tokens.withUnsafeBufferPointer { tokens in
        floatTokens.withUnsafeBufferPointer { floatTokens in
          // Workers only read these, and the results they write do not overlap.
          nonisolated(unsafe) let (bands, tokens, floatTokens) = (bands, tokens, floatTokens)
          nonisolated(unsafe) let kernels = level.products
          let isFloat = form == .float
          pool.run(count: bands.count) { index in
            let band = bands[index]
            if isFloat {
              guard let first = floatTokens.baseAddress else { return }
              kernels.pointee.multiply_float(
                band.type, band.weights, band.rowByteCount, band.firstRow, band.rowCount, band.columns,
                first + band.firstToken, band.tokenCount)
            } else {
              guard let first = tokens.baseAddress else { return }
              kernels.pointee.multiply_integer(
                band.type, band.weights, band.rowByteCount, band.firstRow, band.rowCount, band.columns,
                first + band.firstToken, band.tokenCount)
            }
          }
        }
      }
    }
  }
}
