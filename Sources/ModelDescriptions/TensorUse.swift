package import TensorTypes

/// What engines do with a tensor, which decides the types that it may have.
package enum TensorUse: Hashable, Sendable {
  /// Its rows are multiplied with activations, or looked up.
  case product
  /// Its values are added to activations, multiplied with them one by one, or convolved with them.
  case elementwise

  /// Whether llama.cpp computes with this type: products with all float and block types except those of activations
  /// (q8_1, q8_K), everything else with f32 alone.
  package func accepts(_ type: TensorType) -> Bool {
    switch (self, type) {
    case (_, .other): false
    case (.elementwise, _): type == .f32
    case (.product, .i8), (.product, .i16), (.product, .i32), (.product, .i64), (.product, .f64),
      (.product, .q8_1), (.product, .q8_K):
      false
    case (.product, _): true
    }
  }

  /// The types in words.
  package var typePhrase: String {
    switch self {
    case .product: "a type that llama.cpp multiplies: f32, f16, bf16 or one of quantized weights"
    case .elementwise: "f32, the only type in which llama.cpp adds, scales and convolves"
    }
  }
}
