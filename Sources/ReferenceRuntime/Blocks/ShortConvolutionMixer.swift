internal import CRuntimeKernels
internal import ModelDescriptions

/// A causal depthwise convolution over few positions between two gates.
///
/// ```
/// [b | c | u] = W_in x
/// s = b * u
/// o_t = sum over taps j of w_j * s_(t - taps + 1 + j)
/// y = W_out (c * o)
/// ```
enum ShortConvolutionMixer {
  /// Runs it on a batch, whose last products are kept.
  static func run(
    _ x: FloatRows, _ part: ShortConvolution, _ weights: ShortConvolutionWeights,
    state: ShortConvolutionState, into y: FloatRows, _ context: BlockContext
  ) throws {
    let scratch = try ShortConvolutionScratch(context, part, count: x.count)
    let (projected, output) = (scratch.projected, scratch.output)
    try context.multiply(x, Product(matrix: weights.input, output: projected))

    let (level, width, past) = (context.level, part.width, part.kernelLength - 1)
    context.engine.parallel(x.count) { token, _ in
      let (first, third) = (projected.row(token), projected.row(token) + 2 * width)
      for index in 0..<width { first[index] *= third[index] }
    }
    /// The product `offset` tokens after the first of the batch; negative offsets are earlier batches.
    @Sendable func product(_ offset: Int) -> UnsafeMutablePointer<Float> {
      offset >= 0 ? projected.row(offset) : state.history.base + (past + offset) * width
    }
    let taps = weights.taps
    context.engine.parallel(x.count) { token, _ in
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: past + 1) { rows in
        for tap in 0...past { rows[tap] = UnsafePointer(product(token - past + tap)) }
        crk_gated_convolve(
          level, rows.baseAddress, taps.base, past + 1, width, projected.row(token) + width, output.row(token)
        )
      }
    }
    // Oldest first, so that a history row is read before it is overwritten.
    for row in 0..<past {
      (state.history.base + row * width).update(from: product(x.count - past + row), count: width)
    }
    try context.multiply(output, Product(matrix: weights.output, output: y))
  }
}

/// The rows of a short convolution.
struct ShortConvolutionScratch {
  /// Three vectors per token; the product of the first and the third takes the place of the first.
  let projected: FloatRows
  /// `[tokens, channels]`.
  let output: FloatRows

  init(_ source: some ScratchSource, _ part: ShortConvolution, count: Int) throws {
    projected = try source.scratch("convolution.projected", count, 3 * part.width)
    output = try source.scratch("convolution.output", count, part.width)
  }
}

/// What a short convolution remembers: its last inputs, `[kernelLength - 1][channels]`, oldest first.
final class ShortConvolutionState: @unchecked Sendable {
  let history: FloatBuffer

  /// Starts from zeros.
  ///
  /// - Throws: ``RuntimeError`` with `outOfMemory`.
  init(_ part: ShortConvolution) throws {
    history = try FloatBuffer(
      count: (part.kernelLength - 1) * part.width, purpose: "the convolution state")
  }

  /// The bytes that a state reserves.
  static func byteCount(_ part: ShortConvolution) -> Int {
    (part.kernelLength - 1) * part.width * MemoryLayout<Float>.stride
  }

  /// Bytes held.
  var byteCount: Int { history.count * MemoryLayout<Float>.stride }

  /// Forgets everything.
  func clear() { history.clear() }
}
