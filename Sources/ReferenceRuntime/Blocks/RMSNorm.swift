internal import CRuntimeKernels

/// Root mean square norm: `w * x / sqrt(mean(x^2) + epsilon)`.
///
/// Families whose checkpoints store `w - 1` have the one added when the weights are read.
enum RMSNorm {
  /// Norms whole rows.
  static func run(_ x: FloatRows, _ weight: FloatBuffer, into y: FloatRows, _ context: BlockContext) {
    let (level, epsilon) = (context.level, context.normEpsilon)
    context.engine.parallel(x.count) { row, _ in
      crk_rms_norm(level, x.row(row), weight.base, x.width, epsilon, y.row(row))
    }
  }
}
