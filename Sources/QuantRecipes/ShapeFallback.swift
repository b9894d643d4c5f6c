internal import FileBytes
internal import TensorTypes

/// The type that takes the place of `wanted` when rows of `rowLength` do not consist of whole blocks of it.
///
/// - Throws: ``RecipeError`` with `noFallback` for wide block types that have no substitute.
func fittingType(_ wanted: TensorType, rowLength: Int, tensor: String) throws -> TensorType {
  guard rowLength % wanted.blockLength != 0 else { return wanted }
  let substitute: TensorType
  switch wanted {
  case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs: substitute = .iq4_nl
  case .q2_0, .q2_K, .q3_K, .tq1_0, .tq2_0: substitute = .q4_0
  case .q4_K: substitute = .q5_0
  case .q5_K: substitute = .q5_1
  case .q6_K: substitute = .q8_0
  default:
    guard wanted.blockLength <= 32 else {
      throw RecipeError(
        .noFallback,
        Fault(
          subject: tensor, expected: "a row length divisible by \(wanted.blockLength) (\(wanted.name))",
          found: "\(rowLength)", remedy: "choose a type with blocks of 32 for this tensor, such as q8_0"))
    }
    substitute = wanted
  }
  return rowLength % substitute.blockLength == 0 ? substitute : .f16
}
