internal import BlockQuantization
internal import CQuantKernels
internal import TensorTypes

/// The parallel items of one product: bands of rows, each with the tokens it is multiplied with.
///
/// Bands are cut by size alone, so the cut never depends on the number of threads.
struct ProductPlan {
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
  }

  /// Rows per band with many tokens: enough to amortize reading the activations.
  private static let rowsPerBand = 64
  /// Bytes of weights per band with few tokens: long streams, and small enough to share evenly.
  private static let bytesPerBand = 1 << 16

  private let form: ActivationForm
  private let level: KernelLevel
  private var bands: [Band] = []
  private var tokens: [cdk_token] = []
  private var floatTokens: [cdk_float_token] = []

  init(form: ActivationForm, level: KernelLevel) {
    self.form = form
    self.level = level
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
    let few = max(8, Self.bytesPerBand / matrix.rowByteCount / 8 * 8)
    let perBand = tokenCount < 4 ? few : Self.rowsPerBand
    guard let weights = matrix.bytes.baseAddress else { return }
    for row in stride(from: 0, to: matrix.rows, by: perBand) {
      bands.append(
        Band(
          type: Int32(matrix.type.rawValue), weights: weights, rowByteCount: matrix.rowByteCount,
          columns: matrix.columns, firstRow: row, rowCount: min(perBand, matrix.rows - row),
          firstToken: firstToken, tokenCount: tokenCount))
    }
  }

  /// Computes all bands.
  func run(on pool: WorkerPool) {
    bands.withUnsafeBufferPointer { bands in
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
