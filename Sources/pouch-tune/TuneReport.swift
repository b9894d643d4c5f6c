import MixTuning

/// What the command found, for `--json`.
struct TuneReport: Encodable {
  /// A mix for a budget.
  struct Mix: Encodable {
    /// A group's type.
    struct Choice: Encodable {
      /// The role.
      var role: String
      /// The layer; absent for roles that occur once.
      var layer: Int?
      /// The type, as the recipe names it.
      var type: String
      /// Bytes of the group in the file.
      var bytes: Int
      /// What it is predicted to cost, in nats per token.
      var divergence: Double
    }

    /// The name of the recipe.
    var name: String
    /// The budget in words.
    var budget: String
    /// The recipe's file.
    var recipe: String
    /// The converted file; absent without `--convert`.
    var output: String?
    /// Bytes of the file.
    var fileBytes: Int
    /// Bits of all tensors over all weights.
    var bitsPerWeight: Double
    /// What it is predicted to lose, in nats per token.
    var predictedDivergence: Double
    /// No mix within the budget is predicted to lose less.
    var lowerBound: Double
    /// Whether the prediction is the least there is.
    var isOptimal: Bool
    /// What it lost on text that had no part in the choice; absent without `--convert`.
    var actual: TunedMix.Actual?
    /// The type of each group.
    var choices: [Choice]

    init(_ table: SensitivityTable, _ mix: TunedMix, name: String, recipe: String, output: String?) {
      self.name = name
      self.recipe = recipe
      self.output = output
      budget = "\(mix.budget)"
      fileBytes = mix.fileByteCount
      bitsPerWeight = mix.bitsPerWeight
      predictedDivergence = mix.predictedDivergence
      lowerBound = mix.lowerBound
      isOptimal = mix.isOptimal
      actual = mix.actual
      choices = zip(table.rows, mix.choices).map { row, index in
        let candidate = row.candidates[index]
        return Choice(
          role: row.group.role.rawValue, layer: row.group.layer, type: "\(candidate.type)",
          bytes: candidate.byteCount, divergence: candidate.divergence)
      }
    }
  }

  /// The table's file.
  var table: String
  /// The model's name.
  var model: String
  /// How sensitivities were found.
  var method: String
  /// Groups of tensors.
  var groups: Int
  /// The mixes, in the order of the budgets.
  var mixes: [Mix]

  init(_ table: SensitivityTable, path: String, mixes: [Mix]) {
    self.table = path
    model = table.model.name
    method = table.method.rawValue
    groups = table.rows.count
    self.mixes = mixes
  }
}
