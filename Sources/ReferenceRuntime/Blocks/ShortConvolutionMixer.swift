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
  /// Runs it on a batch, the last products of whose parts are kept.
  static func run(
    _ x: FloatRows, _ part: ShortConvolution, _ weights: ShortConvolutionWeights,
    states: [ShortConvolutionState], into y: FloatRows, _ context: BlockContext
  ) throws {
    let scratch = try ShortConvolutionScratch(context, part, count: x.count)
    let (projected, output) = (scratch.projected, scratch.output)
    try context.multiply(x, Product(matrix: weights.input, output: projected))

    let (level, width) = (context.level, part.width)
    context.engine.parallel(x.count) { token, _ in
      let (first, third) = (projected.row(token), projected.row(token) + 2 * width)
      for index in 0..<width { first[index] *= third[index] }
    }
    let taps = weights.taps
    let products = ConvolutionInputs(
      projected, context.parts, histories: states.map(\.history), width: width)
    context.engine.parallel(x.count) { token, _ in
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: part.kernelLength) { rows in
        products.select(token, into: rows)
        crk_gated_convolve(
          level, rows.baseAddress, taps.base, part.kernelLength, width, projected.row(token) + width,
          output.row(token))
      }
    }
    products.keepLast()
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
