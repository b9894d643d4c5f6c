/// The function on the gate of feed-forward networks, whose result multiplies the other half.
package enum Activation: Hashable, Sendable {
  /// `x * sigmoid(x)`.
  case silu
  /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`.
  case tanhGELU
  /// Of a gate and a product that are cut off first, `(product + 1) * gate * sigmoid(slope * gate)` (gpt-oss).
  case clampedSwiGLU(ClampedSwiGLU)
  /// A function that there is nothing for, by its name in configurations.
  case other(String)

  /// The numbers of the function with limits.
  package struct ClampedSwiGLU: Hashable, Sendable {
    /// What the gate is at most, and the product up and down.
    package var limit: Double
    /// What the gate in the sigmoid is multiplied by.
    package var slope: Double

    /// Creates the function; the defaults are those of gpt-oss, which a GGUF does not say.
    package init(limit: Double = 7, slope: Double = 1.702) {
      self.limit = limit
      self.slope = slope
    }
  }

  /// The function of a name in configurations.
  package init(named name: String) {
    switch name {
    case "silu", "swish": self = .silu
    case "gelu_pytorch_tanh": self = .tanhGELU
    default: self = .other(name)
    }
  }

  /// The name in configurations.
  package var name: String {
    switch self {
    case .silu: "silu"
    case .tanhGELU: "gelu_pytorch_tanh"
    case .clampedSwiGLU: "clamped swiglu"
    case .other(let name): name
    }
  }
}
