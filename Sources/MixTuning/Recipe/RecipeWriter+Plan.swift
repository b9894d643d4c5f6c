internal import CheckpointConversion
internal import QuantRecipes

extension RecipeWriter {
  /// Prepares for the model of a plan.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - plan: The plans of the model.
  /// - Throws: `RecipeError` for metadata that lack what rules depend on.
  package init(_ table: SensitivityTable, plan: TuningPlan) throws {
    self.init(
      table, facts: plan.facts,
      tensors: plan.plan.tensors.map {
        MixTensor(name: $0.name, ggmlShape: $0.ggmlShape, type: $0.sourceType, purpose: $0.purpose)
      })
  }
}
