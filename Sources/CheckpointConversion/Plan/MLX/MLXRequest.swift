package import QuantRecipes
package import TensorTypes

/// What a user asks for: a folder for MLX.
package struct MLXRequest: Sendable {
  /// What a rule gives to the matrices that it catches.
  package enum Choice: Hashable, Sendable {
    /// These groups.
    case groups(GroupFormat)
    /// No groups: values as they are.
    case plain
  }

  /// A rule: a role of recipes, and what its matrices get.
  package struct Override: Hashable, Sendable {
    /// The role.
    package var role: RecipeRole
    /// What its matrices get.
    package var choice: Choice

    /// Creates a rule.
    package init(_ role: RecipeRole, _ choice: Choice) {
      self.role = role
      self.choice = choice
    }
  }

  /// The folder of the checkpoint.
  package var source: String
  /// The folder to write; `nil` for one beside the source, with the format in its name.
  package var outputPath: String?
  /// What matrices are stored in; `nil` for values as they are.
  package var groups: GroupFormat?
  /// The type that all values are cast to; `nil` for what the configuration says of mlx-lm's keys, and their own without.
  package var floatType: ElementType?
  /// Rules, of which the first that catches a matrix decides, before what mlx-lm itself gives to some.
  package var overrides: [Override] = []
  /// The most bytes of tensors in a file of several.
  package var shardByteCount = 5 << 30
  /// Plan from headers alone; shards may end after their headers.
  package var headersOnly = false

  /// Creates a request.
  package init(source: String, groups: GroupFormat?) {
    self.source = source
    self.groups = groups
  }
}
