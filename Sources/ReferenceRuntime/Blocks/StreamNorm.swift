internal import CRuntimeKernels
internal import ModelDescriptions

/// The weights of a norm over rows of the residual stream's width.
struct NormWeights {
  var weight: FloatBuffer
  /// Of norms that take the mean away alone.
  var bias: FloatBuffer?
}

/// The norm of a model: `w * x / sqrt(mean(x^2) + epsilon)`, or `w * (x - mean) / sqrt(variance + epsilon) + b`.
///
/// Families whose checkpoints store `w - 1` have the one added when the weights are read.
enum StreamNorm {
  /// Norms whole rows; `y` may be `x`.
  static func run(_ x: FloatRows, _ weights: NormWeights, into y: FloatRows, _ context: BlockContext) {
    let (level, epsilon, weight, bias) = (context.level, context.normEpsilon, weights.weight, weights.bias)
    context.engine.parallel(x.count) { row, _ in
      if let bias {
        crk_layer_norm(level, x.row(row), weight.base, bias.base, x.width, epsilon, y.row(row))
      } else {
        crk_rms_norm(level, x.row(row), weight.base, x.width, epsilon, y.row(row))
      }
    }
  }
}
