internal import CheckpointConversion
internal import FileBytes
internal import QuantRecipes
internal import TensorTypes

/// The built-in mixes and recipes as a table sees them.
package enum KnownMixes {
  /// All that work for a model, with their sizes and, as far as the table has their types, what they are predicted to lose.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - plan: The plans of its model.
  /// - Returns: The mixes.
  /// - Throws: Errors of the planner.
  package static func all(_ table: SensitivityTable, plan: TuningPlan) throws -> [FrontierMix] {
    try RecipeLibrary.names.compactMap { name in
      let recipe = try RecipeLibrary.recipe(name)
      guard recipe.defaultType.isQuantized else { return nil }
      let planned: ConversionPlan
      do {
        planned = try plan.conversion(to: recipe).plan
      } catch let error as RecipeError where error.code == .ruleMatchesNothing {
        return nil
      } catch let error as ConversionError where error.code == .badOption {
        // Types that need importance data where there are none.
        return nil
      }
      let stock = try? StockMix(name: name)
      return FrontierMix(
        name: stock?.rawValue ?? name, kind: stock == nil ? .recipe : .stock,
        fileByteCount: planned.fileByteCount, bitsPerWeight: planned.bitsPerWeight,
        predictedDivergence: predicted(planned, table))
    }
  }

  /// The sum over groups; a group whose tensors have several types loses their mean, by weights; `nil` without one of the types.
  private static func predicted(_ plan: ConversionPlan, _ table: SensitivityTable) -> Double? {
    let tensors = Dictionary(plan.tensors.map { ($0.name, $0) }) { first, _ in first }
    var sum = 0.0
    for row in table.rows where row.isMeasured {
      var loss = 0.0
      for name in row.group.tensors {
        guard let tensor = tensors[name] else { return nil }
        if !tensor.type.isQuantized { continue }
        guard let candidate = row.candidates.first(where: { $0.storedTypes == [tensor.type] }) else {
          return nil
        }
        loss += candidate.divergence * Double(tensor.elementCount)
      }
      sum += row.group.weights > 0 ? loss / Double(row.group.weights) : 0
    }
    return sum
  }
}
