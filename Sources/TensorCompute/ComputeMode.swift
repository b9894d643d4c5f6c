/// How weights and activations meet in matrix products.
public enum ComputeMode: String, CaseIterable, Hashable, Sendable {
  /// Weights are decoded to f32 and multiplied with f32 activations: the loss measured is the weights' alone.
  case exact
  /// Activations are quantized to 8 bits and multiplied with the weights' codes in integers, as deployed
  /// engines do; weights stored as f32, f16 or bf16 are multiplied as in ``exact``.
  case fast
}
