/// Tensors that get one type together: a role in a layer.
///
/// What rules of recipes can select: every tensor of a group is caught by a rule with the group's ``TuningRole/recipeRoles``
/// and its layer, and nothing else is that is quantized.
package struct TuningGroup: Hashable, Sendable, Codable {
  /// What the tensors do.
  package var role: TuningRole
  /// The number of the layer, as `layers:` of a rule counts; `nil` for roles that occur once.
  package var layer: Int?
  /// The GGUF names, in the order of the file.
  package var tensors: [String]
  /// Weights of all of them.
  package var weights: Int

  /// Creates a group.
  package init(role: TuningRole, layer: Int?, tensors: [String], weights: Int) {
    self.role = role
    self.layer = layer
    self.tensors = tensors
    self.weights = weights
  }

  /// What it is called in messages, such as `attention.v of layer 3`.
  package var name: String { role.rawValue + (layer.map { " of layer \($0)" } ?? "") }
}
