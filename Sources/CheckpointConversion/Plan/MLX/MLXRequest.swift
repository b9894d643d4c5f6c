public import QuantRecipes
public import TensorTypes

/// What a user asks for: a folder for MLX.
public struct MLXRequest: Sendable {
  /// What a rule gives to the matrices that it catches.
  public enum Choice: Hashable, Sendable {
    /// These groups.
    case groups(GroupFormat)
    /// No groups: values as they are.
    case plain
  }

  /// A rule: a role of recipes, and what its matrices get.
  public struct Override: Hashable, Sendable {
    /// The role.
    public var role: RecipeRole
    /// What its matrices get.
    public var choice: Choice

    /// Creates a rule.
    public init(_ role: RecipeRole, _ choice: Choice) {
      self.role = role
      self.choice = choice
    }
  }

  /// The folder of the checkpoint.
  public var source: String
  /// The folder to write; `nil` for one beside the source, with the format in its name.
  public var outputPath: String?
  /// What matrices are stored in; `nil` for values as they are.
  public var groups: GroupFormat?
  /// The type that all values are cast to; `nil` for what the configuration says of mlx-lm's keys, and their own without.
  public var floatType: ElementType?
  /// Rules, of which the first that catches a matrix decides, before what mlx-lm itself gives to some.
  public var overrides: [Override] = []
  /// The most bytes of tensors in a file of several.
  public var shardByteCount = 5 << 30
  /// Plan from headers alone; shards may end after their headers.
  public var headersOnly = false

  /// Creates a request.
  public init(source: String, groups: GroupFormat?) {
    self.source = source
    self.groups = groups
  }
}
