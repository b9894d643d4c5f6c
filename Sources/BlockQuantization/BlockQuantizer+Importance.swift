package import TensorTypes

extension BlockQuantizer {
  /// How many columns, counted from a multiple of this number, become zeros when their importance is zero.
  ///
  /// The searches of most types weigh errors by importance and choose a scale of 0 where nothing weighs anything: a
  /// whole super-block where scales are themselves searched with weights, a sub-block elsewhere.
  ///
  /// - Parameter type: A type for which ``canQuantize(_:)`` holds.
  /// - Returns: `nil` for types that keep their weights with an importance of zero (Q4_1, Q5_1), and for those that
  ///   do not use importance.
  package static func columnsErasedTogether(_ type: TensorType) -> Int? {
    switch type {
    case .q4_0, .q5_0, .iq4_nl, .iq4_xs: 32
    case .q3_K, .q6_K: 16
    case .q2_K, .q4_K, .q5_K: 256
    default: nil
    }
  }
}
