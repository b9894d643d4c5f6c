internal import CRuntimeKernels
internal import ModelDescriptions

/// The function on the gates of feed-forward networks, with numbers as the inner loops take them.
enum Gating: Sendable {
  case silu
  case tanhGELU
  case clampedSwiGLU(limit: Float, slope: Float)

  /// The function of a description; `nil` for one that there is no loop for.
  init?(_ activation: Activation) {
    switch activation {
    case .silu: self = .silu
    case .tanhGELU: self = .tanhGELU
    case .clampedSwiGLU(let part):
      self = .clampedSwiGLU(limit: Float(part.limit), slope: Float(part.slope))
    case .other: return nil
    }
  }

  /// Puts the product of the function of `gate` with `up` in the gate's place.
  func run(
    _ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int, level: Int32
  ) {
    switch self {
    case .silu: crk_silu_multiply(level, up, count, gate)
    case .tanhGELU: crk_gelu_multiply(level, up, count, gate)
    case .clampedSwiGLU(let limit, let slope): crk_clamped_swiglu(level, up, limit, slope, count, gate)
    }
  }
}
